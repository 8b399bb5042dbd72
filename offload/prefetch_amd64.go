package offload

// prefetch asks for the cache lines of the n bytes from p on, which it does not read. n
// is more than 0.
//
//go:noescape
func prefetch(p *byte, n int)
