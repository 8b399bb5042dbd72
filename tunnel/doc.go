// Package tunnel is the gateway: it brings IKE, ESP, the TUN device, sockets and
// routes together and runs the tunnels of one configuration.
//
//	         control goroutine                        lanes' goroutines
//	┌───────────────────────────────┐        ┌──────────────────────────────┐
//	│ ike.Machine, routes, sockets, │──Do──▶ │ lane.Lane: TUN, sockets, SAs,│
//	│ addresses, MTU, status        │◀─Events│ fair queue                   │
//	└───────────────────────────────┘        └──────────────────────────────┘
//
// All decisions are taken on the goroutine that called [Gateway.Run]; packets are
// moved by the lanes. The package knows nothing of files: see Config.
package tunnel
