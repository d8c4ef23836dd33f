# syntax=docker/dockerfile:1
# The gateway with FFmpeg, as an unprivileged user. docs/deploy.md shows how to run it.
#   docker build -t gearway .
#   docker buildx build --platform linux/amd64,linux/arm64 -t gearway .

# JavaScript is the same on every platform, so it is built once, on the builder's platform.
FROM --platform=$BUILDPLATFORM node:22-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build && rm -rf dist/viewer-package

# Packages with native binaries for the image's platform; nothing is compiled.
FROM node:22-bookworm-slim AS dependencies
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:22-bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ffmpeg \
    && rm -rf /var/lib/apt/lists/*
COPY --from=dependencies /src/node_modules /opt/gearway/node_modules
COPY --from=build /src/dist /opt/gearway/dist
COPY package.json LICENSE README.md /opt/gearway/
# For a volume with log-ins and share links (GEARWAY_STATE_DIR), which gets this owner.
RUN install --directory --owner=node --group=node --mode=700 /var/lib/gearway
ENV NODE_ENV=production GEARWAY_HOST=0.0.0.0
# gateway.yaml is read from here, if there is one.
WORKDIR /etc/gearway
USER node
EXPOSE 8080
# Uses GEARWAY_PORT if it is set. For a gateway with its own certificate, change http to https.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.GEARWAY_PORT ?? 8080}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/opt/gearway/dist/gateway/main.js"]
