/** @hey-api/openapi-ts. */

import { getPlan, listPlanUsers, planAdaptive, planMultiUser, planRobust, planStopping } from "../hey";
import type { AdaptiveRequest, MultiUserRequest, RobustRequest, StoppingRequest } from "../hey";
import { client } from "../hey/client.gen";
import { asked, carryOut, decision, told, type Generated, type Kind, type Told } from "./scenario";

const { url, requests } = asked();
client.setConfig({ baseUrl: url });

const generated: Generated = {
  async plan(kind: Kind, body: unknown, headers: Record<string, string>): Promise<Told> {
    switch (kind) {
      case "robust": {
        const { data, response } = await planRobust({ body: body as RobustRequest, headers });
        return told(response?.status, data);
      }
      case "stopping": {
        const { data, response } = await planStopping({ body: body as StoppingRequest, headers });
        return told(response?.status, data);
      }
      case "multi-user": {
        const { data, response } = await planMultiUser({ body: body as MultiUserRequest, headers });
        return told(response?.status, data);
      }
      case "adaptive": {
        const { data, response } = await planAdaptive({ body: body as AdaptiveRequest, headers });
        return told(response?.status, data);
      }
    }
  },
  async read(id: string): Promise<Told> {
    const { data, response } = await getPlan({ path: { plan_id: id } });
    return told(response?.status, data);
  },
  async users(id: string) {
    const { data } = await listPlanUsers({ path: { plan_id: id } });
    if (data === undefined || typeof data === "string" || !("items" in data)) throw new Error("no page of users");
    return data.items.map(decision);
  },
};

console.log(await carryOut(generated, requests, "hey"));
