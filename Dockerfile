# EveryView as an image: the sources as they are, what they need of npm, and Debian's ffmpeg.
FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# Node, ffmpeg and PostgreSQL come from elsewhere here, so what npm would bring of them stays out.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24.21.0-bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends ffmpeg util-linux \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY bin ./bin
COPY cli ./cli
COPY consumers ./consumers
COPY local ./local
COPY producers ./producers
COPY runtime ./runtime
COPY schemas ./schemas
COPY topologies ./topologies
RUN mkdir /data && chown node:node /data
ENV NODE_ENV=production \
  EVERYVIEW_DATA_DIR=/data \
  FFMPEG_BIN=/usr/bin/ffmpeg
USER node
VOLUME /data
EXPOSE 4580 8787 9464
# Of the services that serve metrics; docker-compose.yml says otherwise for the others.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=6 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9464/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--disable-warning=TimeoutNegativeWarning", "/app/cli/main.ts"]
CMD ["--help"]
