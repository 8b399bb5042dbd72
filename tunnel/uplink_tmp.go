package tunnel

import (
	"os"
	"strconv"

	"vpngw/tunnel/lane"
)

func (g *Gateway) addUplink() {
	rate, _ := strconv.ParseUint(os.Getenv("UPRATE"), 10, 64)
	u := g.lane.AddUplink(lane.UplinkConfig{Name: "wan", Rate: rate, Overhead: 14, FIFO: os.Getenv("UPFIFO") != "", Limit: g.cfg.Buffers.Queue})
	for _, t := range g.tunnels {
		g.lane.SetUplink(t.lane, u)
	}
}
