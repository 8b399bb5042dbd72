package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"sync/atomic"
)

// Iperf is one run of iperf3 between two namespaces.
type Iperf struct {
	Client, Server *Namespace
	Address        netip.Addr // of the server
	Seconds        int        // 0: 5
	Streams        int        // 0: 1
	Reverse        bool       // the server sends
	Bidirectional  bool       // both send
	UDP            bool
	RateMbit       int    // per stream; 0: unlimited for TCP, iperf3's 1 Mbit/s for UDP
	Length         int    // bytes a write, or of a datagram; 0: iperf3's own
	Buffer         int    // of the sockets, bytes as given to the kernel; 0: its own
	Congestion     string // of TCP; "": cubic
	OmitSeconds    int    // left out of the figures at the start
}

// IperfResult is what one run moved. Rates are payload, 1 Gbit = 10⁹ bits.
type IperfResult struct {
	Gbit        float64   // received per second, from the client to the server (from the server when Reverse)
	GbitReverse float64   // received per second in the other direction, when Bidirectional
	Bytes       int64     // received, both directions
	Retransmits int       // of TCP segments, both directions
	Packets     int       // UDP datagrams sent
	Lost        int       // UDP datagrams lost
	Jitter      float64   // UDP, milliseconds
	Seconds     float64   // duration of the measured part
	Intervals   []float64 // Gbit/s of each second as the client counted, omitted ones left out
	CPU         CPU       // of the whole machine, from the client's start to its end
}

// LossPercent is the share of UDP datagrams lost.
func (r IperfResult) LossPercent() float64 {
	if r.Packets == 0 {
		return 0
	}
	return 100 * float64(r.Lost) / float64(r.Packets)
}

// CPUPerGbit is the machine's busy CPU-seconds per 10⁹ bits received.
func (r IperfResult) CPUPerGbit() float64 {
	if r.Bytes == 0 {
		return 0
	}
	return r.CPU.Busy() / (float64(r.Bytes) * 8 / 1e9)
}

// iperfPort spreads simultaneous runs over ports.
var iperfPort atomic.Uint32

// Run starts a server, runs the client to its end and reads its report.
func (i Iperf) Run(ctx context.Context) (IperfResult, error) {
	port := 20000 + int(iperfPort.Add(1)%20000)
	server, err := i.Server.Start(Spec{Args: []string{"iperf3", "-s", "-1", "-p", strconv.Itoa(port), "-B", i.Address.String()}})
	if err != nil {
		return IperfResult{}, err
	}
	defer server.Kill()
	if err := server.waitListening(ctx, port); err != nil {
		return IperfResult{}, fmt.Errorf("iperf3 server at %s in %s: %w", i.Address, i.Server.Name, err)
	}
	before, err := CPUSeconds()
	if err != nil {
		return IperfResult{}, err
	}
	report, err := i.Client.Run(ctx, i.clientArgs(port)...)
	after, cpuErr := CPUSeconds()
	result, parseErr := parseIperf([]byte(report), i.Reverse)
	if parseErr != nil || err != nil || cpuErr != nil {
		return result, fmt.Errorf("iperf3 %s to %s: %w", i.Client.Role, i.Address, errors.Join(parseErr, err, cpuErr))
	}
	result.CPU = after.Sub(before)
	return result, nil
}

func (i Iperf) clientArgs(port int) []string {
	args := []string{"iperf3", "-J", "-c", i.Address.String(), "-p", strconv.Itoa(port), "--connect-timeout", "3000",
		"-t", strconv.Itoa(orDefault(i.Seconds, 5)), "-P", strconv.Itoa(orDefault(i.Streams, 1))}
	if i.UDP {
		args = append(args, "-u")
	} else {
		args = append(args, "-C", orDefault(i.Congestion, "cubic"))
	}
	if i.Reverse {
		args = append(args, "-R")
	}
	if i.Bidirectional {
		args = append(args, "--bidir")
	}
	if i.RateMbit > 0 {
		args = append(args, "-b", strconv.Itoa(i.RateMbit)+"M")
	}
	if i.Length > 0 {
		args = append(args, "-l", strconv.Itoa(i.Length))
	}
	if i.Buffer > 0 {
		args = append(args, "-w", strconv.Itoa(i.Buffer))
	}
	if i.OmitSeconds > 0 {
		args = append(args, "-O", strconv.Itoa(i.OmitSeconds))
	}
	return args
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// iperfSum is the part of an iperf3 -J report common to its sums.
type iperfSum struct {
	Seconds       float64 `json:"seconds"`
	Bytes         int64   `json:"bytes"`
	BitsPerSecond float64 `json:"bits_per_second"`
	Retransmits   int     `json:"retransmits"`
	JitterMs      float64 `json:"jitter_ms"`
	LostPackets   int     `json:"lost_packets"`
	Packets       int     `json:"packets"`
	Omitted       bool    `json:"omitted"`
}

// parseIperf reads a client's report.
func parseIperf(report []byte, reverse bool) (IperfResult, error) {
	var r struct {
		Error     string `json:"error"`
		Intervals []struct {
			Sum iperfSum `json:"sum"`
		} `json:"intervals"`
		End struct {
			Sum             *iperfSum `json:"sum"` // UDP only
			Sent            iperfSum  `json:"sum_sent"`
			Received        iperfSum  `json:"sum_received"`
			SentReverse     iperfSum  `json:"sum_sent_bidir_reverse"`
			ReceivedReverse iperfSum  `json:"sum_received_bidir_reverse"`
		} `json:"end"`
	}
	if err := json.Unmarshal(report, &r); err != nil {
		return IperfResult{}, fmt.Errorf("report: %w", err)
	}
	if r.Error != "" {
		return IperfResult{}, errors.New(r.Error)
	}
	end := r.End
	result := IperfResult{
		Gbit:        end.Received.BitsPerSecond / 1e9,
		GbitReverse: end.ReceivedReverse.BitsPerSecond / 1e9,
		Bytes:       end.Received.Bytes + end.ReceivedReverse.Bytes,
		Retransmits: end.Sent.Retransmits + end.SentReverse.Retransmits,
		Seconds:     end.Received.Seconds,
	}
	if u := end.Sum; u != nil {
		result.Packets, result.Lost, result.Jitter = u.Packets, u.LostPackets, u.JitterMs
		// Some versions count what was sent in sum_received of UDP; take what the loss leaves of it.
		if end.Received.Bytes == 0 || (end.Received.Bytes >= end.Sent.Bytes && !reverse) {
			share := 1 - result.LossPercent()/100
			result.Gbit = u.BitsPerSecond / 1e9 * share
			result.Bytes = int64(float64(u.Bytes) * share)
			result.Seconds = u.Seconds
		}
	}
	for _, i := range r.Intervals {
		if !i.Sum.Omitted {
			result.Intervals = append(result.Intervals, i.Sum.BitsPerSecond/1e9)
		}
	}
	return result, nil
}
