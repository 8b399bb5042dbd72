package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vpngw/integration/lab/daemon"
)

// control asks a gateway over its control socket, as the program's commands do, but without starting a program each time.
type control struct{ client http.Client }

func newControl(socket string) *control {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &control{http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: 20 * time.Second}}
}

// forget closes connections to a gateway that is gone.
func (c *control) forget() { c.client.CloseIdleConnections() }

func (c *control) ask(ctx context.Context, method, what string) (body string, code int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://gateway"+what, nil)
	if err != nil {
		return "", 0, err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), resp.StatusCode, err
}

func (c *control) get(ctx context.Context, what string) (string, error) {
	body, code, err := c.ask(ctx, http.MethodGet, what)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("control socket: GET %s: %d %s", what, code, strings.TrimSpace(body))
	}
	return body, err
}

func (c *control) status(ctx context.Context) (daemon.Status, error) {
	body, err := c.get(ctx, "/status")
	if err != nil {
		return daemon.Status{}, err
	}
	return daemon.ParseStatus([]byte(body))
}

// rekey asks for new keys of a tunnel.
func (c *control) rekey(ctx context.Context, tunnel string, ike bool) error {
	body, code, err := c.ask(ctx, http.MethodPost, "/rekey?"+url.Values{"tunnel": {tunnel}, "ike": {strconv.FormatBool(ike)}}.Encode())
	if err == nil && code != http.StatusNoContent {
		err = errors.New(strings.TrimSpace(body))
	}
	return err
}

// answer is how long the gateway's control loop takes to answer what costs it next to nothing: a rekey of no tunnel, by a
// name that is like none.
func (c *control) answer(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	_, _, err := c.ask(ctx, http.MethodPost, "/rekey?tunnel=x")
	return time.Since(start), err
}

// heap is the bytes of live objects on the gateway's Go heap, right after a collection.
func (c *control) heap(ctx context.Context) (int64, error) {
	text, err := c.get(ctx, "/debug/pprof/heap?gc=1&debug=1")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "# HeapAlloc = "); ok {
			return strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
		}
	}
	return 0, errors.New("the heap's profile does not say how large it is")
}
