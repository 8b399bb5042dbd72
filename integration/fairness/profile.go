package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"vpngw/integration/lab/command"
)

// schedulerPackage matches the functions of the scheduler in a profile.
const schedulerPackage = `^vpngw/fairness\.`

// profile writes what a gateway's processor does for so long into a file, asked over its control socket.
func profile(ctx context.Context, socket string, d time.Duration, file string) error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	url := fmt.Sprintf("http://gateway/debug/pprof/profile?seconds=%d", max(1, int(d.Seconds())))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s: %s", answer.Status, text)
	}
	return os.WriteFile(file, text, 0o600)
}

// schedulerShare is the part of a profile's processor time in which the scheduler, or what it called, ran.
func schedulerShare(ctx context.Context, file string) (float64, error) {
	text, err := command.Output(exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=100000", "-nodefraction=0", "-focus="+schedulerPackage, file))
	if err != nil {
		return 0, err
	}
	return parseFocus(text)
}

// parseFocus reads the share from the head of a table that go tool pprof printed with a focus:
//
//	Showing nodes accounting for 60ms, 2.40% of 2500ms total
func parseFocus(text string) (float64, error) {
	if strings.Contains(text, "matched no samples") {
		return 0, nil
	}
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "Showing nodes accounting for ")
		if !ok {
			continue
		}
		f := strings.Fields(rest)
		if len(f) < 2 {
			break
		}
		share, err := strconv.ParseFloat(strings.TrimSuffix(f[1], "%"), 64)
		if err != nil {
			break
		}
		return share / 100, nil
	}
	return 0, fmt.Errorf("no share in the profile's table: %.200s", text)
}
