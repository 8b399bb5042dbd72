package daemon

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
)

// Home makes a lane of the gateway carry a tunnel, whatever the load; -1 leaves it to the
// load again.
func (g *Gateway) Home(ctx context.Context, tunnel string, lane int) error {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", g.Socket())
		},
	}}
	query := url.Values{"tunnel": {tunnel}, "lane": {strconv.Itoa(lane)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gateway/home?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("tunnel %s to lane %d: %s", tunnel, lane, text)
	}
	return nil
}
