/** openapi-typescript with openapi-fetch. */

import createClient from "openapi-fetch";
import type { components, paths } from "../typescript/api";
import { asked, carryOut, decision, told, type Generated, type Kind, type Told } from "./scenario";

type Schemas = components["schemas"];

const { url, requests } = asked();
const api = createClient<paths>({ baseUrl: url });

const generated: Generated = {
  async plan(kind: Kind, body: unknown, headers: Record<string, string>): Promise<Told> {
    switch (kind) {
      case "robust": {
        const { data, response } = await api.POST("/v1/plans/robust", { body: body as Schemas["RobustRequest"], headers });
        return told(response.status, data);
      }
      case "stopping": {
        const { data, response } = await api.POST("/v1/plans/stopping", { body: body as Schemas["StoppingRequest"], headers });
        return told(response.status, data);
      }
      case "multi-user": {
        const { data, response } = await api.POST("/v1/plans/multi-user", { body: body as Schemas["MultiUserRequest"], headers });
        return told(response.status, data);
      }
      case "adaptive": {
        const { data, response } = await api.POST("/v1/plans/adaptive", { body: body as Schemas["AdaptiveRequest"], headers });
        return told(response.status, data);
      }
    }
  },
  async read(id: string): Promise<Told> {
    const { data, response } = await api.GET("/v1/plans/{plan_id}", { params: { path: { plan_id: id } } });
    return told(response.status, data);
  },
  async users(id: string) {
    const { data } = await api.GET("/v1/plans/{plan_id}/users", { params: { path: { plan_id: id } } });
    if (data === undefined || typeof data === "string") throw new Error("no page of users");
    return data.items.map(decision);
  },
};

console.log(await carryOut(generated, requests, "fetch"));
