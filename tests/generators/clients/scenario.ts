/** What is asked of every generated client: to plan, to send a key again, to follow a plan that is solved later, and to
 * read a fleet, of each kind. */

export const KINDS = ["robust", "stopping", "multi-user", "adaptive"] as const;
export type Kind = (typeof KINDS)[number];

export interface Decision {
  id: string;
  /** The cut by name, or how many rows the table has by which the device decides. */
  decides: string | number;
}

export interface Told {
  httpStatus: number;
  kind: string;
  id: string;
  status: string;
  /** Null while there is no result. */
  users: Decision[] | null;
}

export interface Generated {
  plan(kind: Kind, body: unknown, headers: Record<string, string>): Promise<Told>;
  read(id: string): Promise<Told>;
  users(id: string): Promise<Decision[]>;
}

/** What all kinds of plans have in common, and a dry run's estimate. */
export type Document =
  | { object: "estimate" }
  | {
      object: "plan";
      kind: string;
      id: string;
      status: string;
      result?: { users?: { id: string }[] | null } | null;
    };

export function told(httpStatus: number | undefined, document: Document | undefined): Told {
  if (httpStatus === undefined || document === undefined || document.object !== "plan") {
    throw new Error(`no plan: ${httpStatus}`);
  }
  const users = document.result?.users?.map(decision) ?? null;
  return { httpStatus, kind: document.kind, id: document.id, status: document.status, users };
}

/** What a user's answer decides; of an infeasible plan's users it decides nothing, which no scenario expects. */
export function decision(user: { id: string }): Decision {
  if ("cut_name" in user && typeof user.cut_name === "string") return { id: user.id, decides: user.cut_name };
  if ("table" in user) return { id: user.id, decides: (user.table as { rows: unknown[] }).rows.length };
  throw new Error(`nothing is decided for ${user.id}`);
}

async function ended(client: Generated, id: string): Promise<Told> {
  for (;;) {
    const told = await client.read(id);
    if (told.status !== "queued" && told.status !== "running") return told;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function carryOut(client: Generated, requests: Record<Kind, unknown>, name: string): Promise<string> {
  const done: Record<string, unknown> = {};
  for (const kind of KINDS) {
    const key = { "Idempotency-Key": `${name} ${kind}` };
    const planned = await client.plan(kind, requests[kind], key);
    const replayed = await client.plan(kind, requests[kind], key);
    const pending = await client.plan(kind, requests[kind], { Prefer: "respond-async" });
    const followed = await ended(client, pending.id);
    done[kind] = { planned, replayed, pending, followed, users: await client.users(followed.id) };
  }
  return JSON.stringify(done);
}

export function asked(): { url: string; requests: Record<Kind, unknown> } {
  const given: { url: string; requests: Record<Kind, unknown> } = JSON.parse(
    (globalThis as unknown as { process: { env: Record<string, string> } }).process.env["ASKED"] ?? "",
  );
  return given;
}
