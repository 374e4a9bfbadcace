/** orval: its client of fetch, and its schemas of zod, which refuse whatever the document does not say. */

import { getPlan, listPlanUsers, planAdaptive, planMultiUser, planRobust, planStopping } from "../orval/api";
import type { AdaptiveRequest, MultiUserRequest, RobustRequest, StoppingRequest } from "../orval/api";
import * as zod from "../orval/zod";
import { asked, carryOut, decision, told, type Generated, type Kind, type Told } from "./scenario";

declare global {
  /** Where the service is: what `baseUrl` names in orval.config.cjs. */
  var service: string;
}

const { url, requests } = asked();
globalThis.service = url;

function read({ status, data }: { status: number; data: unknown }): Told {
  return told(status, zod.GetPlanResponse.parse(data));
}

const generated: Generated = {
  async plan(kind: Kind, body: unknown, headers: Record<string, string>): Promise<Told> {
    switch (kind) {
      case "robust":
        zod.PlanRobustBody.parse(body);
        return read(await planRobust(body as RobustRequest, undefined, { headers }));
      case "stopping":
        zod.PlanStoppingBody.parse(body);
        return read(await planStopping(body as StoppingRequest, undefined, { headers }));
      case "multi-user":
        zod.PlanMultiUserBody.parse(body);
        return read(await planMultiUser(body as MultiUserRequest, undefined, { headers }));
      case "adaptive":
        zod.PlanAdaptiveBody.parse(body);
        return read(await planAdaptive(body as AdaptiveRequest, undefined, { headers }));
    }
  },
  async read(id: string): Promise<Told> {
    return read(await getPlan(id));
  },
  async users(id: string) {
    const { data } = await listPlanUsers(id);
    const page = zod.ListPlanUsersResponse.parse(data);
    return page.items.map(decision);
  },
};

console.log(await carryOut(generated, requests, "orval"));
