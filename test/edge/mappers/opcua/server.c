/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An OPC UA server for tests, on open62541: server PORT [MODE [CERTIFICATE KEY]], both files in DER.
 * MODE: open (anybody), users (operator/secret alone), one (open, one subscription a session). It prints "ready" when it listens.
 */
#include <open62541/plugin/accesscontrol_default.h>
#include <open62541/plugin/pki_default.h>
#include <open62541/server.h>
#include <open62541/server_config_default.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile UA_Boolean run = true;

static void stop(int signal_number) {
    (void)signal_number;
    run = false;
}

static void tick(UA_Server *server, void *data) {
    static double temperature = 20;
    UA_Variant value;
    (void)data;
    temperature += 0.5;
    UA_Variant_setScalar(&value, &temperature, &UA_TYPES[UA_TYPES_DOUBLE]);
    UA_Server_writeValue(server, UA_NODEID_STRING(1, "temperature"), value);
}

static void add(UA_Server *server, char *id, void *value, size_t length, int type, UA_Byte access) {
    UA_VariableAttributes attributes = UA_VariableAttributes_default;
    if(length == 0) UA_Variant_setScalar(&attributes.value, value, &UA_TYPES[type]);
    else UA_Variant_setArray(&attributes.value, value, length, &UA_TYPES[type]);
    attributes.dataType = UA_TYPES[type].typeId;
    /* 0: of any length */
    UA_UInt32 dimensions[1] = {0};
    if(length > 0) {
        attributes.arrayDimensions = dimensions;
        attributes.arrayDimensionsSize = 1;
    }
    attributes.valueRank = length == 0 ? UA_VALUERANK_SCALAR : UA_VALUERANK_ONE_DIMENSION;
    attributes.displayName = UA_LOCALIZEDTEXT("en-US", id);
    attributes.accessLevel = access;
    UA_Server_addVariableNode(server, UA_NODEID_STRING(1, id), UA_NODEID_NUMERIC(0, UA_NS0ID_OBJECTSFOLDER),
                              UA_NODEID_NUMERIC(0, UA_NS0ID_ORGANIZES), UA_QUALIFIEDNAME(1, id),
                              UA_NODEID_NUMERIC(0, UA_NS0ID_BASEDATAVARIABLETYPE), attributes, NULL, NULL);
}

static UA_ByteString file(const char *path) {
    UA_ByteString content = UA_BYTESTRING_NULL;
    FILE *opened = fopen(path, "rb");
    if(opened == NULL) return content;
    fseek(opened, 0, SEEK_END);
    UA_ByteString_allocBuffer(&content, (size_t)ftell(opened));
    rewind(opened);
    if(fread(content.data, 1, content.length, opened) != content.length) content.length = 0;
    fclose(opened);
    return content;
}

int main(int count, char **argument) {
    UA_UInt16 port = (UA_UInt16)(count > 1 ? atoi(argument[1]) : 4840);
    const char *mode = count > 2 ? argument[2] : "open";
    const UA_Byte both = UA_ACCESSLEVELMASK_READ | UA_ACCESSLEVELMASK_WRITE;
    UA_Server *server;
    UA_ServerConfig *config;
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    server = UA_Server_new();
    config = UA_Server_getConfig(server);
    if(count > 4) {
        UA_ByteString certificate = file(argument[3]), key = file(argument[4]);
        UA_ServerConfig_setDefaultWithSecurityPolicies(config, port, &certificate, &key, NULL, 0, NULL, 0, NULL, 0);
        config->secureChannelPKI.clear(&config->secureChannelPKI);
        UA_CertificateVerification_AcceptAll(&config->secureChannelPKI);
        config->sessionPKI.clear(&config->sessionPKI);
        UA_CertificateVerification_AcceptAll(&config->sessionPKI);
        UA_String_clear(&config->applicationDescription.applicationUri);
        config->applicationDescription.applicationUri = UA_STRING_ALLOC("urn:redge:test:server");
    } else {
        UA_ServerConfig_setMinimal(config, port, NULL);
    }
    if(strcmp(mode, "users") == 0) {
        UA_UsernamePasswordLogin logins[1] = {{UA_STRING_STATIC("operator"), UA_STRING_STATIC("secret")}};
        UA_AccessControl_default(config, false, NULL, 1, logins);
        config->allowNonePolicyPassword = true;
    }
    if(strcmp(mode, "one") == 0) config->maxSubscriptionsPerSession = 1;

    UA_Boolean boolean = false;
    UA_SByte sbyte = -7;
    UA_Byte byte = 7;
    UA_Int16 int16 = -300;
    UA_UInt16 uint16 = 300;
    UA_Int32 int32 = 5;
    UA_UInt32 uint32 = 4000000000u;
    UA_Int64 int64 = -9007199254740995ll;
    UA_UInt64 uint64 = 18446744073709551615ull;
    UA_Float single = 0.1f;
    UA_Double real = 20, temperature = 20;
    UA_String string = UA_STRING("gr\xc3\xbc\xc3\x9f");
    UA_DateTime time = UA_DATETIME_UNIX_EPOCH;
    UA_ByteString bytes = UA_BYTESTRING("\x01\x02\xff");
    UA_LocalizedText text = UA_LOCALIZEDTEXT("en-US", "hello");
    UA_Int32 list[3] = {1, 2, 3};
    UA_UInt64 wide[2] = {0, 18446744073709551615ull};
    UA_String words[2] = {UA_STRING("one"), UA_STRING("zwei")};
    add(server, "boolean", &boolean, 0, UA_TYPES_BOOLEAN, both);
    add(server, "sbyte", &sbyte, 0, UA_TYPES_SBYTE, both);
    add(server, "byte", &byte, 0, UA_TYPES_BYTE, both);
    add(server, "int16", &int16, 0, UA_TYPES_INT16, both);
    add(server, "uint16", &uint16, 0, UA_TYPES_UINT16, both);
    add(server, "int32", &int32, 0, UA_TYPES_INT32, both);
    add(server, "uint32", &uint32, 0, UA_TYPES_UINT32, both);
    add(server, "int64", &int64, 0, UA_TYPES_INT64, both);
    add(server, "uint64", &uint64, 0, UA_TYPES_UINT64, both);
    add(server, "float", &single, 0, UA_TYPES_FLOAT, both);
    add(server, "double", &real, 0, UA_TYPES_DOUBLE, both);
    add(server, "string", &string, 0, UA_TYPES_STRING, both);
    add(server, "datetime", &time, 0, UA_TYPES_DATETIME, both);
    add(server, "bytestring", &bytes, 0, UA_TYPES_BYTESTRING, both);
    add(server, "localizedtext", &text, 0, UA_TYPES_LOCALIZEDTEXT, both);
    add(server, "list", list, 3, UA_TYPES_INT32, both);
    add(server, "wide", wide, 2, UA_TYPES_UINT64, both);
    add(server, "words", words, 2, UA_TYPES_STRING, both);
    add(server, "sealed", &int32, 0, UA_TYPES_INT32, UA_ACCESSLEVELMASK_READ);
    add(server, "temperature", &temperature, 0, UA_TYPES_DOUBLE, UA_ACCESSLEVELMASK_READ);
    UA_Server_addRepeatedCallback(server, tick, NULL, 200, NULL);

    UA_StatusCode status = UA_Server_run_startup(server);
    if(status == UA_STATUSCODE_GOOD) {
        puts("ready");
        fflush(stdout);
        while(run) UA_Server_run_iterate(server, true);
        UA_Server_run_shutdown(server);
    }
    UA_Server_delete(server);
    return status == UA_STATUSCODE_GOOD ? 0 : 1;
}
