# Tidemark in an image: the sources as they are, run by Node 24 without a build.
# The workspaces stay where they are, with npm's links to them: Node runs no TypeScript that lies under node_modules.

FROM node:24-slim AS manifests
WORKDIR /tidemark
COPY . .
RUN find . -type f ! -name 'package*.json' -delete && find . -type d -empty -delete

FROM node:24-slim
WORKDIR /tidemark
# Only the manifests first: dependencies are installed again when these change, not with every source.
COPY --from=manifests /tidemark ./
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund && npm cache clean --force
COPY . .
RUN ln -s /tidemark/packages/cli/tidemark.js /usr/local/bin/tidemark \
 && mkdir -p /var/lib/tidemark && chown node:node /var/lib/tidemark

USER node
ENV NODE_ENV=production TIDEMARK_DATA=/var/lib/tidemark
VOLUME /var/lib/tidemark
EXPOSE 7410 7411
ENTRYPOINT ["tidemark"]
CMD ["serve"]
