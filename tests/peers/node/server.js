// A node-opcua server for `make peers`: changing variables of mixed types, and a truth file of
// every value it ever set, one JSON line each: [name, source time in ticks, value].
// Prints `ready` when it answers, ends on SIGTERM.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { parseArgs } = require("node:util");
const opcua = require("node-opcua");
const { DataType, StatusCodes, VariantArrayType } = opcua;

const { values: options } = parseArgs({
  options: {
    port: { type: "string" },
    truth: { type: "string" },
    pki: { type: "string" },
    variables: { type: "string", default: "100" },
    still: { type: "string", default: "0" },
    history: { type: "string", default: "all" }, // all, none or half
    "period-ms": { type: "string", default: "2500" },
    "max-history": { type: "string", default: "100000" },
    security: { type: "string", default: "None" }, // of the endpoints that are not None
    user: { type: "string" },
    password: { type: "string" },
    "browse-limit": { type: "string" }, // nodes in one Browse
    references: { type: "string" }, // in one answer to Browse; the rest by continuation points
    "linger-ms": { type: "string", default: "0" }, // from the last change to the end
    odd: { type: "boolean", default: false },
  },
});
const count = Number(options.variables);
const PORTION_MS = 50;
const EPOCH_MS = 11644473600000; // from 1601 to 1970
const big = (n) => [0, n]; // node-opcua's form of a 64-bit integer: high and low word

// One type after another, and what its n-th value is, to the library and in the truth.
const KINDS = [
  [DataType.Double, (n) => n + 0.25],
  [DataType.Float, (n) => n + 0.5],
  [DataType.Int32, (n) => -n],
  [DataType.String, (n) => `第 ${n} 个`],
  [DataType.UInt32, (n) => n],
  [DataType.Int64, big, (n) => n],
  [DataType.UInt64, big, (n) => n],
  [DataType.Boolean, (n) => n % 2 === 1],
  [DataType.Int16, (n) => n % 30000],
  [DataType.UInt16, (n) => n % 60000],
  [DataType.SByte, (n) => n % 100],
  [DataType.Byte, (n) => n % 200],
  [DataType.Double, (n) => Float64Array.of(n, -n), (n) => [n, -n]],
];

function ticksOf({ sourceTimestamp: time, sourcePicoseconds: rest }) {
  return BigInt(time.getTime() + EPOCH_MS) * 10000n + BigInt(Math.floor((rest || 0) / 100000));
}

class Plant {
  constructor(namespace, file) {
    this.namespace = namespace;
    this.file = file;
    this.lines = [];
    this.variables = [];
    this.next = 0;
  }

  add(folder, i) {
    const [dataType] = KINDS[i % KINDS.length];
    const name = `v${String(i).padStart(5, "0")}`;
    const isArray = Array.isArray(told(i, 0));
    const node = this.namespace.addVariable({
      componentOf: folder,
      browseName: name,
      nodeId: `s=${name}`,
      dataType,
      valueRank: isArray ? 1 : -1,
      minimumSamplingInterval: 50,
    });
    const kept = options.history === "all" || (options.history === "half" && i % 2 === 0);
    const one = { i, name, node, n: 0 };
    this.variables.push(one);
    this.set(one);
    if (kept) {
      const maxOnlineValues = Number(options["max-history"]);
      node.addressSpace.installHistoricalDataNode(node, { maxOnlineValues });
    }
  }

  set(one) {
    const [dataType, make] = KINDS[one.i % KINDS.length];
    const value = make(one.n);
    const arrayType = VariantArrayType[value instanceof Float64Array ? "Array" : "Scalar"];
    one.node.setValueFromSource({ dataType, arrayType, value }, StatusCodes.Good);
    const time = ticksOf(one.node.readValue());
    this.lines.push(`["${one.name}",${time},${JSON.stringify(told(one.i, one.n))}]\n`);
    one.n += 1;
  }

  turn() {
    const portion = Math.ceil((count * PORTION_MS) / Number(options["period-ms"]));
    for (let i = 0; i < portion && i < count; i++) {
      this.set(this.variables[this.next]);
      this.next = (this.next + 1) % count;
    }
  }

  save() {
    fs.writeSync(this.file, this.lines.join(""));
    this.lines = [];
  }
}

function told(i, n) {
  const [, make, tell] = KINDS[i % KINDS.length];
  return (tell || make)(n);
}

// What a factory's server holds beside numbers: none of it changes.
function addOdd(namespace, folder) {
  const add = (name, dataType, value, more = {}) =>
    namespace.addVariable({
      componentOf: folder, browseName: name, nodeId: `s=${name}`, dataType,
      value: { dataType, value, ...more }, valueRank: more.arrayType ? -2 : -1,
    });
  const mode = namespace.addEnumerationType({ browseName: "Mode", enumeration: ["Off", "On"] });
  namespace.addVariable({
    componentOf: folder, browseName: "mode", nodeId: "s=mode", dataType: mode,
    value: { dataType: DataType.Int32, value: 1 },
  });
  const range = new opcua.Range({ low: -1, high: 1 });
  add("range", DataType.ExtensionObject, range);
  add("ranges", DataType.ExtensionObject, [range, range], { arrayType: VariantArrayType.Array });
  add("matrix", DataType.Int32, [1, 2, 3, 4, 5, 6], {
    arrayType: VariantArrayType.Matrix, dimensions: [2, 3],
  });
  add("strings", DataType.String, ["a", null, "丙"], { arrayType: VariantArrayType.Array });
  add("nothing", DataType.Double, [], { arrayType: VariantArrayType.Array });
  add("text", DataType.LocalizedText, { text: "转速", locale: "zh" });
  add("name", DataType.QualifiedName, { namespaceIndex: 1, name: "q" });
  add("id", DataType.NodeId, opcua.resolveNodeId("ns=1;s=text"));
  add("guid", DataType.Guid, "72962b91-fa75-4ae6-8d28-b404dc7daf63");
  add("bytes", DataType.ByteString, Buffer.from([0, 255]));
  add("time", DataType.DateTime, new Date(Date.UTC(2026, 0, 1)));
  add("status", DataType.StatusCode, StatusCodes.BadNoData);
  add("nan", DataType.Double, NaN);
  add("xml", DataType.XmlElement, "<a/>");
  const bad = add("bad", DataType.Double, 1);
  bad.setValueFromSource({ dataType: DataType.Double, value: 1 }, StatusCodes.BadSensorFailure);
  namespace.addVariable({
    componentOf: folder, browseName: "unset", nodeId: "s=unset", dataType: DataType.Double,
  });
  namespace.addVariable({
    componentOf: folder, browseName: "failing", nodeId: "s=failing", dataType: DataType.Double,
    value: { timestamped_get: (done) => done(new Error("no such sensor")) },
  });
}

async function main() {
  const manager = new opcua.OPCUACertificateManager({
    rootFolder: path.resolve(options.pki),
    automaticallyAcceptUnknownCertificate: true,
  });
  await manager.initialize();
  const secured = options.security !== "None";
  const limits = options["browse-limit"] ? { maxNodesPerBrowse: Number(options["browse-limit"]) } : {};
  const server = new opcua.OPCUAServer({
    host: "127.0.0.1",
    hostname: "127.0.0.1",
    port: Number(options.port),
    serverCertificateManager: manager,
    userCertificateManager: manager,
    serverInfo: { applicationUri: "urn:peer:node-opcua", productUri: "urn:peer" },
    buildInfo: { productName: "node-opcua peer", buildNumber: "1", buildDate: new Date(0) },
    securityPolicies: [opcua.SecurityPolicy[secured ? options.security : "None"]],
    securityModes: [opcua.MessageSecurityMode[secured ? "SignAndEncrypt" : "None"]],
    allowAnonymous: !options.user,
    userManager: {
      isValidUser: (user, password) => user === options.user && password === options.password,
    },
    serverCapabilities: { operationLimits: limits },
  });
  server.on("request", (request) => {
    if (options.references && "requestedMaxReferencesPerNode" in request) {
      request.requestedMaxReferencesPerNode = Number(options.references);
    }
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const namespace = space.getOwnNamespace();
  const plant = new Plant(namespace, fs.openSync(options.truth, "a"));
  const add = (name) => namespace.addFolder(space.rootFolder.objects, { browseName: name });
  const folder = add("Plant");
  for (let i = 0; i < count; i++) plant.add(folder, i);
  const flat = Number(options.still) ? add("Flat") : null;
  for (let i = 0; i < Number(options.still); i++) {
    namespace.addVariable({
      organizedBy: flat, browseName: `s${i}`, nodeId: `s=s${i}`, dataType: DataType.Int32,
      value: { dataType: DataType.Int32, value: i },
    });
  }
  if (options.odd) addOdd(namespace, add("Odd"));
  await server.start();
  plant.save();
  const timers = [setInterval(() => plant.turn(), PORTION_MS), setInterval(() => plant.save(), 200)];
  process.once("SIGTERM", async () => {
    timers.forEach(clearInterval);
    plant.save();
    await new Promise((done) => setTimeout(done, Number(options["linger-ms"])));
    await server.shutdown(0);
    process.exit(0);
  });
  console.log("ready");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
