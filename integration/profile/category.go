package main

import "strings"

// category is a part of a gateway's work. Its text is the name in table and JSON.
type category string

// The categories, in the order of a packet's way.
const (
	tunRead    category = "kernel: TUN read"
	headers    category = "headers: parse, cut"
	checksum   category = "checksums"
	lanework   category = "lane: routes, policy"
	scheduler  category = "fair queue"
	framing    category = "ESP framing, replay"
	aead       category = "AEAD"
	inFlight   category = "kernel: bytes in flight"
	udpSend    category = "kernel: UDP send"
	udpReceive category = "kernel: UDP receive"
	coalesce   category = "coalescing"
	tunWrite   category = "kernel: TUN write"
	wakeUps    category = "kernel: wake-ups"
	clock      category = "clock"
	goRuntime  category = "Go runtime"
	control    category = "control"
	rest       category = "the rest"
)

var categories = []category{tunRead, headers, checksum, lanework, scheduler, framing, aead, inFlight, udpSend,
	udpReceive, coalesce, tunWrite, wakeUps, clock, goRuntime, control, rest}

// mostRest is the most that may be of no known part, of 1.
const mostRest = 0.10

// unsampled names what is in no category: see [gateway.unsampled].
const unsampled = "task switches, unsampled"

// caller is no category: what such a function costs belongs to whoever called it.
const caller category = ""

// rule puts the functions whose names begin with prefix into a category.
type rule struct {
	prefix   string
	category category
}

// rules are looked through from the top for each function of a stack, innermost first; the first that fits decides.
// A function that none fits is like one of caller. So a system call belongs to the function of ours that made it, and the
// kernel's work in it, softirqs that ran before it returned included, with it. Functions that the compiler has inlined are
// their caller.
var rules = []rule{
	// Of the runtime, what only carries out its caller's work.
	{"runtime.mem", caller}, // memmove, memclr, memequal, memhash
	{"runtime.map", caller},
	{"runtime.nanotime", clock},
	{"runtime.goexit", caller},
	{"runtime.main", caller},
	{"runtime.", goRuntime},

	{"crypto/internal/fips140/aes", aead},
	{"crypto/internal/fips140/alias", aead},
	{"crypto/cipher.", aead},
	{"golang.org/x/crypto/chacha20poly1305.", aead},
	{"vpngw/crypto/esp.", framing},

	{"vpngw/offload/tun.(*Device).Read", tunRead},
	{"vpngw/offload/tun.(*Device).Write", tunWrite},
	{"vpngw/offload/udp.(*Socket).Queued", inFlight},
	{"vpngw/offload/udp.(*Socket).Send", udpSend},
	{"vpngw/offload/udp.(*Socket).Recv", udpReceive},
	{"vpngw/offload/udp.(*Socket).Drops", udpReceive},
	{"vpngw/offload/udp.(*Train)", lanework},

	{"vpngw/offload.sumWords", checksum},
	{"vpngw/offload.Sum", checksum},
	{"vpngw/offload.PseudoSum", checksum},
	{"vpngw/offload.fold", checksum},
	{"vpngw/offload.checksum", checksum},
	{"vpngw/offload.(*Coalescer)", coalesce},
	{"vpngw/offload.(*group)", coalesce},
	{"vpngw/offload.(*candidate)", coalesce},
	{"vpngw/offload.flowHash", coalesce},
	{"vpngw/offload.sameAddresses", coalesce},
	{"vpngw/offload.", headers},

	{"vpngw/fairness.", scheduler},

	{"vpngw/tunnel/lane.(*Lane).poll", wakeUps},
	{"vpngw/tunnel/lane.(*Lane).await", wakeUps},
	{"vpngw/tunnel/lane.(*Lane).wantWritable", wakeUps},
	{"vpngw/tunnel/lane.(*timer)", wakeUps},
	{"vpngw/tunnel/lane.", lanework},

	{"vpngw/tunnel", control},
	{"vpngw/crypto/ike", control},
	{"vpngw/cmd/", control},
	{"net/http", control},
}

// ruleOf finds the rule of a function; nil: none fits.
func ruleOf(function string) *rule {
	for i := range rules {
		if strings.HasPrefix(function, rules[i].prefix) {
			return &rules[i]
		}
	}
	return nil
}

// classify finds the category of a stack of function names, innermost first.
func classify(stack []string) category {
	for _, function := range stack {
		if r := ruleOf(function); r != nil && r.category != caller {
			return r.category
		}
	}
	return rest
}
