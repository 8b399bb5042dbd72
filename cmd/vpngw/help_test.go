package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestHelpIsComplete wants every command to be listed and to explain itself and its flags.
func TestHelpIsComplete(t *testing.T) {
	var overview bytes.Buffer
	if code := execute([]string{"--help"}, nil, &overview, &overview); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, cmd := range newRoot().Commands() {
		name := cmd.Name()
		if !strings.Contains(overview.String(), "\n  "+name+" ") {
			t.Errorf("%s is not in the overview", name)
		}
		if cmd.Short == "" || cmd.Long == "" {
			t.Errorf("%s has no Short or no Long", name)
		}
		if cmd.Args == nil && !strings.Contains(cmd.Use, "...") {
			t.Errorf("%s takes any arguments and does not say so", name)
		}
		if !strings.Contains(cmd.Example, "vpngw "+name) {
			t.Errorf("%s has no example of itself", name)
		}
		var out, errs bytes.Buffer
		if code := execute([]string{name, "--help"}, nil, &out, &errs); code != 0 || errs.Len() > 0 {
			t.Errorf("%s --help: exit code %d, %s", name, code, errs.String())
		}
		wantFlags(t, cmd, out.String())
		if strings.Contains(out.String(), "\t") {
			t.Errorf("%s --help has tabs", name)
		}
	}
}

func wantFlags(t *testing.T, cmd *cobra.Command, help string) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		_, usage := pflag.UnquoteUsage(f)
		if usage == "" || !strings.Contains(help, "--"+f.Name) || !strings.Contains(help, usage) {
			t.Errorf("%s --%s is not explained", cmd.Name(), f.Name)
		}
	})
}
