package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vpngw/configs"
)

func newCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Find every mistake in a tunnel file",
		Long: `Check reads a tunnel file with the keys, certificates and secrets that it names, and changes nothing.

Each mistake goes to standard error as file:line:column: path: what is wrong, with the
line, a caret and a hint; the exit code is then 1. A file without mistakes gives one line
for each tunnel on standard output, and warnings of certificates that end soon on standard
error.`,
		Example: "  vpngw check /etc/vpngw/vpngw.yaml",
		Args:    arguments(1, 1, "the name of the tunnel file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := loadFile(cmd.ErrOrStderr(), args[0])
			if err != nil {
				return err
			}
			for _, w := range file.Warnings(time.Now()) {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
			}
			for i := range file.Tunnels {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), summary(&file.Tunnels[i])); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// loadFile loads a tunnel file and reports its mistakes; the error is then errReported.
func loadFile(stderr io.Writer, path string) (*configs.File, error) {
	file, err := configs.Load(path)
	var problems configs.Problems
	if !errors.As(err, &problems) {
		return file, err
	}
	count := "1 mistake"
	if len(problems) > 1 {
		count = fmt.Sprintf("%d mistakes", len(problems))
	}
	fmt.Fprintf(stderr, "%v\n\nvpngw: %s in %s\n", problems, count, path)
	return nil, errReported
}

// summary describes a tunnel in one line.
func summary(t *configs.Tunnel) string {
	where, how := "wherever it comes from", "PSK"
	if t.Peer.Address != "" {
		where = "at " + t.Peer.Address
		if strings.Contains(t.Peer.Address, ":") {
			where = "at [" + t.Peer.Address + "]"
		}
		where = fmt.Sprintf("%s:%d", where, t.Peer.Port)
	}
	if t.Peer.HasKey {
		how = "public key"
	}
	if t.Peer.HasCA {
		how = "certificate"
	}
	if t.Peer.HasPPK {
		how += " and PPK"
	}
	line := fmt.Sprintf("%s: %s %s, %s, %s to %s, weight %d",
		t.Name, t.Peer.ID, where, how, joinPrefixes(t.LocalSubnets), joinPrefixes(t.RemoteSubnets), t.Weight)
	if t.Rate > 0 {
		line += fmt.Sprintf(", at most %v", t.Rate)
	}
	return line
}

func joinPrefixes(prefixes []netip.Prefix) string {
	texts := make([]string, len(prefixes))
	for i, p := range prefixes {
		texts[i] = p.String()
	}
	return strings.Join(texts, " + ")
}
