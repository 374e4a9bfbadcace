// Where an operation takes other bodies than JSON the generator makes one type of all, which fetch does not take.
const contentType = { include: ["application/json"] };

module.exports = {
  api: {
    input: "openapi.json",
    output: {
      target: "orval/api.ts",
      client: "fetch",
      mode: "single",
      baseUrl: { runtime: "globalThis.service" },
      override: { contentType },
    },
  },
  schemas: {
    input: "openapi.json",
    output: {
      target: "orval/zod.ts",
      client: "zod",
      mode: "single",
      override: { contentType, zod: { strict: { response: true, body: true } } },
    },
  },
};
