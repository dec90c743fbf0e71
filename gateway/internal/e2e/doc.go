// Package e2e has the tests that run the gateway's program as it ships, with a real go-ethereum
// node and the native peer. It has no code of its own.
package e2e
