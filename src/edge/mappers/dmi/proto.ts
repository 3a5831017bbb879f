// SPDX-License-Identifier: Apache-2.0

/** `name: [number, type]`, the type behind "repeated " or "map " (text to that type). */
export type Fields = Readonly<Record<string, readonly [number, string]>>;

const text = (...names: readonly string[]): Fields =>
    Object.fromEntries(names.map((name, index) => [name, [index + 1, "string"]]));

/** KubeEdge's Device Mapper Interface v1beta1 (device plane reference 5.2 and 5.3), by field numbers. */
const messages: Readonly<Record<string, Fields>> = {
    MapperRegisterRequest: { withData: [1, "bool"], mapper: [2, "MapperInfo"] },
    MapperRegisterResponse: { modelList: [1, "repeated DeviceModel"], deviceList: [2, "repeated Device"] },
    ReportDeviceStatusRequest: {
        deviceName: [1, "string"],
        reportedDevice: [2, "DeviceStatus"],
        deviceNamespace: [3, "string"],
    },
    ReportDeviceStatusResponse: {},
    ReportDeviceStatesRequest: text("deviceName", "deviceNamespace", "state"),
    ReportDeviceStatesResponse: {},
    RegisterDeviceRequest: { device: [1, "Device"] },
    RegisterDeviceResponse: text("deviceName", "deviceNamespace"),
    UpdateDeviceRequest: { device: [1, "Device"] },
    UpdateDeviceResponse: {},
    RemoveDeviceRequest: text("deviceName", "deviceNamespace"),
    RemoveDeviceResponse: {},
    CreateDeviceModelRequest: { model: [1, "DeviceModel"] },
    CreateDeviceModelResponse: text("deviceModelName", "deviceModelNamespace"),
    UpdateDeviceModelRequest: { model: [1, "DeviceModel"] },
    UpdateDeviceModelResponse: {},
    RemoveDeviceModelRequest: text("modelName", "modelNamespace"),
    RemoveDeviceModelResponse: {},
    GetDeviceRequest: text("deviceName", "deviceNamespace"),
    GetDeviceResponse: { device: [1, "Device"] },
    MapperInfo: {
        ...text("name", "version", "api_version", "protocol"),
        address: [5, "bytes"],
        state: [6, "string"],
    },
    DeviceModel: { name: [1, "string"], spec: [2, "DeviceModelSpec"], namespace: [3, "string"] },
    DeviceModelSpec: { properties: [1, "repeated ModelProperty"], commands: [2, "repeated DeviceCommand"] },
    ModelProperty: text("name", "description", "type", "accessMode", "minimum", "maximum", "unit"),
    DeviceCommand: {
        ...text("name", "url", "method"),
        status_code: [4, "repeated string"],
        parameters: [5, "repeated string"],
        response: [6, "bytes"],
    },
    Device: { name: [1, "string"], spec: [2, "DeviceSpec"], status: [3, "DeviceStatus"], namespace: [4, "string"] },
    DeviceSpec: {
        deviceModelReference: [1, "string"],
        protocol: [2, "ProtocolConfig"],
        properties: [3, "repeated DeviceProperty"],
        methods: [4, "repeated DeviceMethod"],
    },
    DeviceMethod: { ...text("name", "description"), propertyNames: [3, "repeated string"] },
    DeviceProperty: {
        name: [1, "string"],
        desired: [2, "TwinProperty"],
        visitors: [3, "VisitorConfig"],
        reportCycle: [4, "int64"],
        collectCycle: [5, "int64"],
        reportToCloud: [6, "bool"],
        pushMethod: [7, "PushMethod"],
    },
    ProtocolConfig: { protocolName: [1, "string"], configData: [2, "CustomizedValue"] },
    VisitorConfig: { protocolName: [1, "string"], configData: [2, "CustomizedValue"] },
    CustomizedValue: { data: [1, "map google.protobuf.Any"] },
    PushMethod: {
        http: [1, "PushMethodHTTP"],
        mqtt: [2, "PushMethodMQTT"],
        dbMethod: [3, "DBMethod"],
        otel: [4, "PushMethodOTEL"],
        anomalyDetection: [5, "CustomizedValue"],
    },
    PushMethodHTTP: { hostname: [1, "string"], port: [2, "int64"], requestpath: [3, "string"], timeout: [4, "int64"] },
    PushMethodMQTT: { address: [1, "string"], topic: [2, "string"], qos: [3, "int32"], retained: [4, "bool"] },
    PushMethodOTEL: text("endpointURL"),
    DBMethod: {
        influxdb2: [1, "DBMethodInfluxdb2"],
        redis: [2, "DBMethodRedis"],
        tdengine: [3, "DBMethodTDEngine"],
        mysql: [4, "DBMethodMySQL"],
    },
    DBMethodInfluxdb2: {
        influxdb2ClientConfig: [1, "Influxdb2ClientConfig"],
        influxdb2DataConfig: [2, "Influxdb2DataConfig"],
    },
    Influxdb2ClientConfig: text("url", "org", "bucket"),
    Influxdb2DataConfig: { measurement: [1, "string"], tag: [2, "map string"], fieldKey: [3, "string"] },
    DBMethodRedis: { redisClientConfig: [1, "RedisClientConfig"] },
    RedisClientConfig: { addr: [1, "string"], db: [2, "int32"], poolsize: [3, "int32"], minIdleConns: [4, "int32"] },
    DBMethodTDEngine: { tdEngineClientConfig: [1, "TDEngineClientConfig"] },
    TDEngineClientConfig: text("addr", "dbname"),
    DBMethodMySQL: { mysqlClientConfig: [1, "MySQLClientConfig"] },
    MySQLClientConfig: text("addr", "database", "userName"),
    DeviceStatus: { twins: [1, "repeated Twin"], reportToCloud: [2, "bool"], reportCycle: [3, "int64"] },
    Twin: { propertyName: [1, "string"], observedDesired: [2, "TwinProperty"], reported: [3, "TwinProperty"] },
    TwinProperty: { value: [1, "string"], metadata: [2, "map string"] },
};

const services = {
    DeviceManagerService: ["MapperRegister", "ReportDeviceStatus", "ReportDeviceStates"],
    DeviceMapperService: [
        "RegisterDevice",
        "UpdateDevice",
        "RemoveDevice",
        "CreateDeviceModel",
        "UpdateDeviceModel",
        "RemoveDeviceModel",
        "GetDevice",
    ],
} as const;

export type ManagerCall = (typeof services)["DeviceManagerService"][number];
export type MapperCall = (typeof services)["DeviceMapperService"][number];

/** google.protobuf.Any, which the interface borrows. */
const ANY = "google.protobuf.Any";
const anyFields: Fields = { type_url: [1, "string"], value: [2, "bytes"] };

export function fieldsOfMessage(name: string): Fields {
    return name === ANY ? anyFields : (messages[name] ?? {});
}

/** The interface as protobufjs reads it. */
export function dmiDescriptor(): object {
    const nested = Object.fromEntries(
        Object.entries(messages).map(([name, fields]) => [name, { fields: fieldsOf(fields) }]),
    );
    const calls = Object.fromEntries(
        Object.entries(services).map(([service, methods]) => [
            service,
            {
                methods: Object.fromEntries(
                    methods.map((name) => [name, { requestType: `${name}Request`, responseType: `${name}Response` }]),
                ),
            },
        ]),
    );
    const any = { fields: fieldsOf(anyFields) };
    return {
        nested: {
            google: { nested: { protobuf: { nested: { Any: any } } } },
            v1beta1: { nested: { ...nested, ...calls } },
        },
    };
}

function fieldsOf(fields: Fields): object {
    return Object.fromEntries(
        Object.entries(fields).map(([name, [id, kind]]) => {
            const [first = "", rest] = kind.split(" ");
            if (rest === undefined) return [name, { type: first, id }];
            return [
                name,
                first === "map" ? { keyType: "string", type: rest, id } : { rule: "repeated", type: rest, id },
            ];
        }),
    );
}
