package main

import (
	"math"
	"testing"
)

func TestClassify(t *testing.T) {
	const (
		call = "internal/runtime/syscall/linux.Syscall6"
		raw  = "golang.org/x/sys/unix.RawSyscall"
		run  = "vpngw/tunnel/lane.(*Lane).Run"
		exit = "runtime.goexit"
	)
	for _, c := range []struct {
		want  category
		stack []string
	}{
		{aead, []string{"crypto/internal/fips140/aes/gcm.gcmAesEnc", "crypto/cipher.gcmAble", "vpngw/crypto/esp.(*sa).seal", run, exit}},
		{framing, []string{"runtime.memmove", "vpngw/crypto/esp.(*sa).seal", run, exit}},
		{tunRead, []string{call, raw, "vpngw/offload/tun.(*Device).Read", "vpngw/tunnel/lane.(*Lane).drainTUN", run, exit}},
		{udpSend, []string{call, raw, "vpngw/offload/udp.rawSendmsg", "vpngw/offload/udp.(*sender).transmit", "vpngw/offload/udp.(*Socket).Send", run}},
		{udpReceive, []string{"vpngw/offload/udp.parseControl", "vpngw/offload/udp.(*Socket).Recv", run}},
		{inFlight, []string{call, raw, "vpngw/offload/udp.(*Socket).Queued", "vpngw/tunnel/lane.(*Uplink).inFlight", run}},
		{wakeUps, []string{call, "syscall.Syscall6", "golang.org/x/sys/unix.EpollWait", "vpngw/tunnel/lane.(*Lane).poll", run}},
		{goRuntime, []string{"runtime.exitsyscall", "syscall.Syscall6", "golang.org/x/sys/unix.EpollWait", "vpngw/tunnel/lane.(*Lane).poll", run}},
		{goRuntime, []string{"runtime.futex", "runtime.notetsleep", "runtime.sysmon", "runtime.mstart1", "runtime.mstart0", "runtime.mstart"}},
		{clock, []string{"runtime.nanotime1", "time.Since", "vpngw/tunnel/lane.(*Lane).poll", run}},
		{checksum, []string{"math/bits.Add64", "vpngw/offload.sumWords", "vpngw/offload.(*Segmenter).patchTCP", run}},
		{headers, []string{"runtime.memmove", "vpngw/offload.(*Segmenter).Next", "vpngw/tunnel/lane.(*Lane).seal", run}},
		{coalesce, []string{"runtime.memequal", "bytes.Equal", "vpngw/offload.(*group).canFollow", "vpngw/offload.(*Coalescer).join", run}},
		{scheduler, []string{"vpngw/fairness.(*Queue[go.shape.*uint8]).Next", "vpngw/tunnel/lane.(*Lane).serveUplink", run}},
		{lanework, []string{"runtime.mapaccess1_fast32", "vpngw/tunnel/lane.(*Lane).lookup", run}},
		{lanework, []string{"github.com/gaissmai/bart.(*Table[go.shape.*uint8]).Lookup", "vpngw/tunnel/lane.(*Lane).classify", run}},
		{control, []string{"compress/flate.(*compressor).deflate", "runtime/pprof.(*profileBuilder).build", "net/http/pprof.Profile", exit}},
		{control, []string{"strconv.AppendInt", "vpngw/tunnel.(*Gateway).status", exit}},
		{rest, []string{"os/signal.loop", exit}},
		{rest, nil},
	} {
		if got := classify(c.stack); got != c.want {
			t.Errorf("%q is in %q, want %q", c.stack, got, c.want)
		}
	}
}

// Each rule can be reached, and each category has one.
func TestRules(t *testing.T) {
	seen := map[category]bool{rest: true}
	for i := range rules {
		if r := ruleOf(rules[i].prefix); r != &rules[i] {
			t.Errorf("%q is decided by %q above it", rules[i].prefix, r.prefix)
		}
		seen[rules[i].category] = true
	}
	for _, c := range categories {
		if !seen[c] {
			t.Errorf("no rule for %q", c)
		}
	}
	if len(seen) != len(categories)+1 { // caller is none
		t.Errorf("%d categories have rules, %d are listed", len(seen)-1, len(categories))
	}
}

func TestShares(t *testing.T) {
	a := account{Samples: 100, Seconds: 1, Costs: map[category]int64{aead: 40, tunRead: 57, rest: 3}}
	for c, want := range map[category]float64{aead: 0.40, tunRead: 0.57, rest: 0.03, checksum: 0} {
		if got := a.share(c); math.Abs(got-want) > 1e-9 {
			t.Errorf("share of %s is %v, want %v", c, got, want)
		}
	}
	if got, want := a.deviation(aead), math.Sqrt(40*0.6)/100; math.Abs(got-want) > 1e-9 {
		t.Errorf("deviation %v, want %v", got, want)
	}
	if a.deviation(clock) <= 0 {
		t.Error("what was not seen is said to be nothing")
	}
	if (account{}).deviation(aead) != 0 || (account{}).share(aead) != 0 {
		t.Error("an empty account has shares")
	}
}
