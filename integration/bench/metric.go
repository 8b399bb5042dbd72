package main

// metric is a figure of a sample: a row of the table.
type metric struct {
	Key    string // name in the JSON
	Title  string // with its unit
	Digits int    // after the decimal point in the table
	// Added asks for one more row: the figure minus that of plain forwarding in
	// the same round, which is what the VPN itself costs.
	Added bool
	// Extra rows are left out of the table unless asked for.
	Extra bool
}

// Keys of the figures.
const (
	keyRate      = "gbit_per_s"
	keyCPUGbit   = "cpu_s_per_gbit"
	keyGateGbitA = "gateway_a_cpu_s_per_gbit"
	keyGateGbitB = "gateway_b_cpu_s_per_gbit"

	keyLost       = "lost_percent"
	keyPerReceive = "datagrams_per_receive"

	keyDelivered  = "delivered_percent"
	keyPacketRate = "delivered_packets_per_s"
	keyCPUPacket  = "cpu_us_per_packet"
	keyGatePackA  = "gateway_a_cpu_us_per_packet"
	keyGatePackB  = "gateway_b_cpu_us_per_packet"

	keyRTT     = "rtt_us_median"
	keyRTT99   = "rtt_us_p99"
	keyRTTLost = "ping_lost_percent"
)

// Keys of what the figures were made from; most of them appear in the JSON only.
const (
	rawSeconds     = "raw_seconds" // as iperf3 timed the transfer
	rawBytes       = "raw_bytes"   // payload received
	rawPackets     = "raw_packets" // UDP datagrams sent
	rawRetransmits = "raw_tcp_retransmits"
	rawCPUGroup    = "raw_cpu_cgroup_s"  // zero where there is no cgroup
	rawCPUMachine  = "raw_cpu_machine_s" // from /proc/stat
	rawGatewayA    = "raw_cpu_gateway_a_s"
	rawGatewayB    = "raw_cpu_gateway_b_s"
	usedCPU        = "raw_cpu_s" // the one of the two above that the figures use
)

// addedPrefix marks the key of a figure with plain forwarding taken off.
const addedPrefix = "added_"

// metrics lists the rows of every case in the order of the table; a case has
// those that its samples hold.
var metrics = []metric{
	{Key: keyRate, Title: "Gbit/s", Digits: 2},
	{Key: keyCPUGbit, Title: "CPU-s per Gbit, whole path", Digits: 3, Added: true},
	{Key: keyGateGbitA, Title: "CPU-s per Gbit, process of gateway A", Digits: 3, Extra: true},
	{Key: keyGateGbitB, Title: "CPU-s per Gbit, process of gateway B", Digits: 3, Extra: true},
	{Key: rawRetransmits, Title: "TCP segments resent", Digits: 0, Extra: true},
	{Key: keyLost, Title: "datagrams lost, %", Digits: 2},
	{Key: keyPerReceive, Title: "datagrams per receive of host B", Digits: 1, Extra: true},
	{Key: keyDelivered, Title: "packets delivered, %", Digits: 2},
	{Key: keyPacketRate, Title: "packets delivered per second", Digits: 0, Extra: true},
	{Key: keyCPUPacket, Title: "CPU µs per packet, whole path", Digits: 1, Added: true},
	{Key: keyGatePackA, Title: "CPU µs per packet, process of gateway A", Digits: 1, Extra: true},
	{Key: keyGatePackB, Title: "CPU µs per packet, process of gateway B", Digits: 1, Extra: true},
	{Key: keyRTT, Title: "round trip µs, median", Digits: 0, Added: true},
	{Key: keyRTT99, Title: "round trip µs, 99th percentile", Digits: 0},
	{Key: keyRTTLost, Title: "pings lost, %", Digits: 2, Extra: true},
}
