// node-opcua's client at its documented fast path: one ClientMonitoredItemGroup, a callback that
// counts. `node listen.js URL VARIABLES INTERVAL_MS`; says what it counted when stdin ends.
"use strict";
const {
  AttributeIds,
  ClientMonitoredItemGroup,
  ClientSubscription,
  MessageSecurityMode,
  OPCUAClient,
  SecurityPolicy,
  TimestampsToReturn,
} = require("node-opcua-client");

const [url, variables, interval] = process.argv.slice(2);

async function main() {
  const client = OPCUAClient.create({
    endpointMustExist: false,
    securityMode: MessageSecurityMode.None,
    securityPolicy: SecurityPolicy.None,
    keepSessionAlive: false,
  });
  await client.connect(url);
  const session = await client.createSession();
  const subscription = ClientSubscription.create(session, {
    requestedPublishingInterval: Number(interval),
    requestedLifetimeCount: 1000,
    requestedMaxKeepAliveCount: 10,
    maxNotificationsPerPublish: 0,
    publishingEnabled: true,
    priority: 1,
  });
  const items = Array.from({ length: Number(variables) }, (_, n) => ({
    nodeId: `ns=2;s=v${n}`,
    attributeId: AttributeIds.Value,
  }));
  let values = 0;
  const group = ClientMonitoredItemGroup.create(
    subscription,
    items,
    { samplingInterval: 100, queueSize: 1000, discardOldest: true },
    TimestampsToReturn.Both
  );
  group.on("changed", () => { values += 1; });
  process.stdin.on("end", async () => {
    await subscription.terminate();
    await session.close();
    await client.disconnect();
    console.log(JSON.stringify({ values }));
    process.exit(0);
  });
  process.stdin.resume();
}

main().catch((error) => {
  console.error(String(error));
  process.exit(1);
});
