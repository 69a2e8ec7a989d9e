"""OPC UA client side: discovery, history, subscriptions, one owner task per server."""
