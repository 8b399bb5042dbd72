// Package lane is the data path: one goroutine on its own thread that moves
// packets between a TUN device and the tunnels' UDP sockets.
//
//	TUN ──read──▶ route ──▶ fair queue ──▶ cut & seal ──▶ train ──UDP_SEGMENT──▶ wire
//	TUN ◀─write── coalesce ◀── selectors ◀── replay, open ◀── SPI ◀──UDP_GRO── wire
//
// A lane owns its TUN queue, its sockets, its SAs, its buffers and its queue,
// and turns them with one epoll: take what the sockets have (bounded per
// tunnel), take what the TUN has (bounded), send, sleep. On this path nothing is
// locked and nothing is allocated.
//
// The lanes of a gateway are a [Group]. Each tunnel has one of them for its home,
// and may move. A packet that comes to another lane goes over by a ring, unless the tunnel
// has a strand there.
//
// The control side reaches into a lane only by [Lane.Do] and [Tunnel.Do]: a function
// that runs on the lane's goroutine between two turns. It hears of the lanes only by
// the channels [Group.Events] and [Group.Strangers], which may lose but never block.
package lane
