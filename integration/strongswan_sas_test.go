package integration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vpngw/integration/lab"
	"vpngw/integration/lab/daemon"
)

// swanSA is an IKE SA as `swanctl --list-sas` shows it, in vpngw's words.
type swanSA struct {
	state                      string
	initiator                  bool // strongSwan is
	initiatorSPI, responderSPI string
	suite                      string
	children                   []swanChildSA
}

// swanChildSA is a child SA of strongSwan's. Local and remote are as strongSwan sees them.
type swanChildSA struct {
	state         string
	spiIn, spiOut string
	suite         string
	encap         bool
	packetsIn     string
	packetsOut    string
	local, remote []string
}

// sas asks strongSwan for all its IKE SAs.
func (p *swanPair) sas() ([]swanSA, error) {
	out, err := p.b.swanctl(p.t.Context(), "--list-sas", "--raw")
	if err != nil {
		return nil, err
	}
	return parseSAs(out)
}

// parseSAs reads the output of `swanctl --list-sas --raw`.
func parseSAs(text string) (sas []swanSA, err error) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "list-sa event {")
		if !ok {
			continue
		}
		event := parseVici(&rest)
		for _, connection := range event {
			ike, ok := connection.(viciSection)
			if !ok {
				return nil, fmt.Errorf("swanctl wrote %q", line)
			}
			sas = append(sas, ike.ikeSA())
		}
	}
	if len(sas) == 0 && !strings.Contains(text, "list-sas reply") {
		return nil, fmt.Errorf("swanctl wrote %q", text)
	}
	return sas, nil
}

// viciSection is one pair of braces: texts, lists of texts and sections by name.
type viciSection map[string]any

// parseVici reads up to the closing brace: name=text, name=[text text], name {section}.
func parseVici(rest *string) viciSection {
	s := viciSection{}
	take := func(stop string) string {
		n := strings.IndexAny(*rest, stop)
		if n < 0 {
			n = len(*rest)
		}
		taken := (*rest)[:n]
		*rest = (*rest)[n:]
		return taken
	}
	for {
		*rest = strings.TrimLeft(*rest, " ")
		if *rest == "" {
			return s
		}
		if (*rest)[0] == '}' {
			*rest = (*rest)[1:]
			return s
		}
		name := strings.TrimSpace(take("={}"))
		switch {
		case strings.HasPrefix(*rest, "{"):
			*rest = (*rest)[1:]
			s[name] = parseVici(rest)
		case strings.HasPrefix(*rest, "=["):
			*rest = (*rest)[2:]
			s[name] = strings.Fields(take("]"))
			*rest = strings.TrimPrefix(*rest, "]")
		case strings.HasPrefix(*rest, "="):
			*rest = (*rest)[1:]
			s[name] = take(" }")
		}
	}
}

func (s viciSection) text(name string) string { text, _ := s[name].(string); return text }

func (s viciSection) list(name string) []string { list, _ := s[name].([]string); return list }

// algorithms translates strongSwan's names for what was negotiated into those of its proposals, which vpngw uses.
var algorithms = map[string]string{
	"AES_GCM_16-128": "aes128gcm16", "AES_GCM_16-256": "aes256gcm16", "CHACHA20_POLY1305-": "chacha20poly1305",
	"PRF_HMAC_SHA2_256": "prfsha256", "PRF_HMAC_SHA2_384": "prfsha384", "PRF_HMAC_SHA2_512": "prfsha512",
	"CURVE_25519": "x25519", "ECP_256": "ecp256", "ECP_384": "ecp384",
}

func (s viciSection) cipher() string {
	return algorithms[s.text("encr-alg")+"-"+s.text("encr-keysize")]
}

func (s viciSection) ikeSA() swanSA {
	sa := swanSA{
		state: s.text("state"), initiator: s.text("initiator") == "yes",
		initiatorSPI: s.text("initiator-spi"), responderSPI: s.text("responder-spi"),
		suite: s.cipher() + "-" + algorithms[s.text("prf-alg")] + "-" + algorithms[s.text("dh-group")],
	}
	children, _ := s["child-sas"].(viciSection)
	for _, c := range children {
		child, _ := c.(viciSection)
		suite := child.cipher()
		if child.text("esn") == "1" {
			suite += "/ESN"
		}
		sa.children = append(sa.children, swanChildSA{
			state: child.text("state"), spiIn: child.text("spi-in"), spiOut: child.text("spi-out"), suite: suite,
			encap: child.text("encap") == "yes", packetsIn: child.text("packets-in"), packetsOut: child.text("packets-out"),
			local: child.list("local-ts"), remote: child.list("remote-ts"),
		})
	}
	return sa
}

// tunnelSAs is what `vpngw status --json` says of a tunnel's SAs.
type tunnelSAs struct {
	daemon.TunnelStatus
	MessagesOut uint64 `json:"ike_messages_out"`
	IKE         *struct {
		InitiatorSPI string `json:"initiator_spi"`
		ResponderSPI string `json:"responder_spi"`
		Initiator    bool   `json:"initiator"`
		Suite        string `json:"suite"`
	} `json:"ike"`
	Children []struct {
		SPIIn   string   `json:"spi_in"`
		SPIOut  string   `json:"spi_out"`
		Suite   string   `json:"suite"`
		Sending bool     `json:"sending"`
		Leaving bool     `json:"leaving"`
		Local   []string `json:"local"`
		Remote  []string `json:"remote"`
	} `json:"children"`
}

// gatewaySAs is what `vpngw status --json` says of a gateway with one tunnel.
type gatewaySAs struct {
	Tunnels  []tunnelSAs       `json:"tunnels"`
	Rejected map[string]uint64 `json:"ike_rejected"` // messages that belong to no tunnel
}

// status asks vpngw.
func (p *swanPair) status() (s gatewaySAs) {
	p.t.Helper()
	must(p.t, json.Unmarshal([]byte(p.vpngw("status", "--socket", p.a.Socket(), "--json")), &s))
	if len(s.Tunnels) != 1 {
		p.t.Fatalf("vpngw status shows %d tunnels", len(s.Tunnels))
	}
	return s
}

// tunnel asks vpngw for its only tunnel.
func (p *swanPair) tunnel() tunnelSAs {
	p.t.Helper()
	return p.status().Tunnels[0]
}

// settleTimeout is long beside the 5 s for which each side keeps the inbound half of a child that was rekeyed.
const settleTimeout = 15 * time.Second

// settled waits until each side has one IKE SA with one child and both say the same of them, and returns what vpngw says.
func (p *swanPair) settled() (ours tunnelSAs) {
	p.t.Helper()
	must(p.t, lab.Poll(p.t.Context(), settleTimeout, func() error {
		ours = p.tunnel()
		theirs, err := p.sas()
		if err == nil {
			err = agree(ours, theirs)
		}
		return err
	}))
	return ours
}

// agree compares what the two ends say of the tunnel between them.
func agree(ours tunnelSAs, theirs []swanSA) error {
	if ours.State != "up" || ours.IKE == nil || len(ours.Children) != 1 {
		return fmt.Errorf("vpngw is %s (%s) with children %+v", ours.State, ours.Reason, ours.Children)
	}
	// An SA that lost a rekey collision waits there for its initiator's DELETE, and that it was made may never have reached vpngw.
	theirs = slices.DeleteFunc(slices.Clone(theirs), func(sa swanSA) bool { return sa.state == "REKEYED" && len(sa.children) == 0 })
	if len(theirs) != 1 || theirs[0].state != "ESTABLISHED" || len(theirs[0].children) != 1 {
		return fmt.Errorf("strongSwan has %+v", theirs)
	}
	ike, child := theirs[0], ours.Children[0]
	other := ike.children[0]
	if !child.Sending || child.Leaving || other.state != "INSTALLED" || !other.encap {
		return fmt.Errorf("children are not in use: %+v and %+v", child, other)
	}
	for _, c := range []struct{ what, ours, theirs string }{
		{"SPI of the IKE initiator", ours.IKE.InitiatorSPI, ike.initiatorSPI},
		{"SPI of the IKE responder", ours.IKE.ResponderSPI, ike.responderSPI},
		{"IKE suite", ours.IKE.Suite, ike.suite},
		{"initiator", fmt.Sprint(ours.IKE.Initiator), fmt.Sprint(!ike.initiator)},
		{"SPI to vpngw", child.SPIIn, other.spiOut},
		{"SPI to strongSwan", child.SPIOut, other.spiIn},
		{"ESP suite", child.Suite, other.suite},
		{"selectors of vpngw", sorted(child.Local), sorted(other.remote)},
		{"selectors of strongSwan", sorted(child.Remote), sorted(other.local)},
	} {
		if c.ours != c.theirs {
			return fmt.Errorf("%s: %s says vpngw, %s says strongSwan", c.what, c.ours, c.theirs)
		}
	}
	return nil
}

func sorted(list []string) string {
	list = slices.Clone(list)
	slices.Sort(list)
	return strings.Join(list, " ")
}

// TestParseSAs reads what a strongSwan 5.9.8 wrote.
func TestParseSAs(t *testing.T) {
	const text = `list-sa event {gw {uniqueid=1 version=2 state=ESTABLISHED local-host=192.0.2.2 local-port=4500 local-id=gw-b.example ` +
		`remote-host=192.0.2.1 remote-port=4500 remote-id=gw-a.example initiator-spi=3b152de03961e36d responder-spi=163f0e34dc37a61a ` +
		`nat-remote=yes nat-any=yes encr-alg=AES_GCM_16 encr-keysize=256 prf-alg=PRF_HMAC_SHA2_256 dh-group=CURVE_25519 established=0 ` +
		`rekey-time=14293 child-sas {net-1 {name=net uniqueid=1 reqid=1 state=INSTALLED mode=TUNNEL protocol=ESP encap=yes ` +
		`spi-in=799c7b97 spi-out=52bcebde encr-alg=AES_GCM_16 encr-keysize=256 bytes-in=16368 packets-in=24 use-in=0 bytes-out=16368 ` +
		`packets-out=24 use-out=0 rekey-time=3532 life-time=3960 install-time=0 local-ts=[10.2.0.0/24 fd00:2::/64] ` +
		`remote-ts=[10.1.0.0/24 fd00:1::/64]}}}}` + "\nlist-sas reply {}\n"
	got, err := parseSAs(text)
	must(t, err)
	want := swanSA{state: "ESTABLISHED", initiatorSPI: "3b152de03961e36d", responderSPI: "163f0e34dc37a61a", suite: "aes256gcm16-prfsha256-x25519",
		children: []swanChildSA{{state: "INSTALLED", spiIn: "799c7b97", spiOut: "52bcebde", suite: "aes256gcm16", encap: true,
			packetsIn: "24", packetsOut: "24", local: []string{"10.2.0.0/24", "fd00:2::/64"}, remote: []string{"10.1.0.0/24", "fd00:1::/64"}}}}
	if len(got) != 1 || fmt.Sprintf("%+v", got[0]) != fmt.Sprintf("%+v", want) {
		t.Errorf("read  %+v\nwanted %+v", got, want)
	}
	if none, err := parseSAs("list-sas reply {}\n"); err != nil || len(none) > 0 {
		t.Errorf("of no SAs: %+v, %v", none, err)
	}
	if _, err := parseSAs("connecting to 'unix:///x' failed"); err == nil {
		t.Error("took an error for a list")
	}
}
