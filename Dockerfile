# SPDX-License-Identifier: Apache-2.0
# Two images of one build:  docker build --target cloud .   docker build --target edge .
# NODE_IMAGE is the base: any image with a glibc, Node.js 22.9 or newer and npm.
ARG NODE_IMAGE=node:24-bookworm-slim

# Compiles the package and packs it exactly as it is published.
FROM ${NODE_IMAGE} AS package
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN mkdir /packed && npm pack --pack-destination /packed

# Node-RED, the Modbus nodes and the packed package, without what only development needs.
FROM ${NODE_IMAGE} AS runtime
WORKDIR /usr/src/redge
COPY deploy/image/package.json deploy/image/package-lock.json .npmrc ./
RUN npm ci --omit=dev --no-audit --no-fund
COPY --from=package /packed/*.tgz /tmp/redge.tgz
RUN npm install --omit=dev --no-save --no-audit --no-fund /tmp/redge.tgz && rm /tmp/redge.tgz \
    && mkdir -p /data && chown 1000:0 /data && chmod 0770 /data

FROM ${NODE_IMAGE} AS base
COPY --from=runtime /usr/src/redge /usr/src/redge
COPY --from=runtime --chown=1000:0 /data /data
ENV NODE_ENV=production HOME=/data REDGE_HOME=/data REDGE_EDITOR_HOST=0.0.0.0
WORKDIR /usr/src/redge
VOLUME /data
USER 1000:0
ENTRYPOINT ["node", "/usr/src/redge/node_modules/@redge/node-red-kubeedge/dist/cli/redge.js"]

FROM base AS cloud
# See cli/host/cloud-heap.ts.
ENV REDGE_CLOUD_HOST=0.0.0.0 NODE_OPTIONS=--max-semi-space-size=4 MALLOC_MMAP_THRESHOLD_=65536
EXPOSE 1880 6443 10000 10001/udp 10002 10003 10004
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["node", "/usr/src/redge/node_modules/@redge/node-red-kubeedge/dist/cli/health.js", "cloud"]
CMD ["cloud"]

FROM base AS edge
# See cli/host/edge-heap.ts.
ENV NODE_OPTIONS=--max-semi-space-size=2 MALLOC_ARENA_MAX=2
EXPOSE 1881 1883
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["node", "/usr/src/redge/node_modules/@redge/node-red-kubeedge/dist/cli/health.js", "edge"]
CMD ["edge"]
