// A worker that pushes what it is sent: `curl -T image.tar https://WORKER/v2push/REGISTRY/REPOSITORY:TAG`.
// Its variable ALLOW lists the registries that it may push to, with commas between them.
import { createGateway, type GatewayContext } from "@tarpush/tarpush/edge";

interface Env {
  ALLOW: string;
}

export default {
  fetch(request: Request, { ALLOW }: Env, context: GatewayContext): Promise<Response> {
    const allow = ALLOW.split(",").map((text) => text.trim());
    return createGateway({ allow })(request, context);
  },
};
