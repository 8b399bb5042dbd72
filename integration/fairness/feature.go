package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"

	"vpngw/integration/lab/command"
)

// knows tells whether a vpngw takes a line in the gateway section of its tunnel file: an older one may be measured, too.
func knows(ctx context.Context, program, folder, line string) (bool, error) {
	secret, file := filepath.Join(folder, "sample.psk"), filepath.Join(folder, "sample.yaml")
	if err := os.WriteFile(secret, []byte("a secret for a sample that is never run"), 0o600); err != nil {
		return false, err
	}
	sample := func(line string) string {
		return `version: 1
gateway:
  id: a.example
  ` + line + `
tunnels:
  b:
    peer: {address: 192.0.2.2, id: b.example, psk_file: ` + secret + `}
    local_subnets: [10.1.0.0/24]
    remote_subnets: [10.2.0.0/24]
`
	}
	check := func(line string) error {
		if err := os.WriteFile(file, []byte(sample(line)), 0o600); err != nil {
			return err
		}
		_, err := command.Output(exec.CommandContext(ctx, program, "check", file))
		return err
	}
	if err := check("interface: vpn0"); err != nil { // else every line would seem unknown
		return false, err
	}
	return check(line) == nil, nil
}
