package status

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// HintHeader is where the gateway says what to do about what it refuses.
const HintHeader = "Vpngw-Hint"

// RefusedError is what a gateway answered in place of doing what it was asked for.
type RefusedError struct {
	Text string
	Hint string // what to do about it, or ""
}

// Error is the gateway's own words.
func (e *RefusedError) Error() string { return e.Text }

// Rekey has the gateway behind the control socket at path ask for new keys of a tunnel:
// of its child SA, or with ikeSA of its IKE SA. It returns when that has begun. What the
// gateway refuses is a *[RefusedError].
func Rekey(ctx context.Context, path, tunnel string, ikeSA bool) error {
	query := url.Values{"tunnel": {tunnel}, "ike": {strconv.FormatBool(ikeSA)}}
	resp, err := call(ctx, path, http.MethodPost, "/rekey?"+query.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return refused(path, resp)
	}
	return nil
}

// call sends a request to the control socket at path. The caller closes the answer's body.
func call(ctx context.Context, path, method, what string) (*http.Response, error) {
	client := http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", path)
			},
		},
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://gateway"+what, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, explain(path, err)
	}
	return resp, nil
}

// refused reads an answer that says no.
func refused(path string, resp *http.Response) error {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
	text := strings.TrimSpace(string(b))
	if hint := resp.Header.Get(HintHeader); hint != "" {
		return &RefusedError{Text: text, Hint: hint}
	}
	return fmt.Errorf("control socket %s: %s", path, text)
}
