// Package doctor judges the machine around a gateway: offloads, sizes, buffers and sysctls
// that make tunnels slow or break them.
//
// It is pure. [Facts] go in, as package survey gathers them, and [Finding]s come out, each
// with the command that mends it. [Sheet] is the same knowledge as a table for one interface.
package doctor
