// A worker that pushes what it is sent: `curl -T image.tar https://WORKER/v2push/REGISTRY/REPOSITORY:TAG`.
// Its variable ALLOW lists the registries that it may push to, with commas between them.
import { createGateway, type GatewayContext, readPage } from "@tarpush/tarpush/edge";

interface Env {
  ALLOW: string;
}

export default {
  async fetch(request: Request, { ALLOW }: Env, context: GatewayContext): Promise<Response> {
    const allow = ALLOW.split(",").map((text) => text.trim());
    // GET / is a page to drop an archive on.
    return await createGateway({ allow, page: await readPage() })(request, context);
  },
};
