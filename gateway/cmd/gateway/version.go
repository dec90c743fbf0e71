package main

// version is that of the whole repository: a test compares it with Cargo.toml, which a build of this
// folder alone does not see.
const version = "0.1.1"

// name is the gateway's name for clients and for nodes.
const name = "snaplight-gateway/" + version
