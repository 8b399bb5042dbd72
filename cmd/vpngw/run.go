package main

import (
	"io"
	"log/slog"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"vpngw/cmd/vpngw/internal/daemon"
	"vpngw/crypto/ike"
)

func newRun() *cobra.Command {
	var level, format string
	cmd := &cobra.Command{
		Use:   "run FILE",
		Short: "Run the gateway of a tunnel file",
		Long: `Run makes the TUN device and the routes of the tunnel file, brings its tunnels up and
keeps them up. It stays in the foreground and logs to standard error. SIGTERM or SIGINT
ends it: the peers are told, and what it made is removed; the exit code is then 0.

It needs root or CAP_NET_ADMIN, and CAP_NET_BIND_SERVICE for a port below 1024.

While a tunnel is down, packets for its remote subnets are dropped and counted; they never
leave in clear. If the gateway is killed, unreachable routes stay behind so that this still
holds; its next run takes them over.`,
		Example: "  vpngw run /etc/vpngw/vpngw.yaml",
		Args:    arguments(1, 1, "the name of the tunnel file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			log, err := newLogger(cmd.ErrOrStderr(), level, format)
			if err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			file, err := loadFile(cmd.ErrOrStderr(), args[0])
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return daemon.Run(ctx, file, versionName(), log)
		},
	}
	cmd.Flags().StringVar(&level, "log-level", "info", "least important `LEVEL` to log: trace, debug, info, warn, error")
	cmd.Flags().StringVar(&format, "log-format", "text", "`FORMAT` of the log: text, json")
	return cmd
}

var logLevels = map[string]slog.Level{
	"trace": ike.LevelTrace, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

func newLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	l, ok := logLevels[level]
	if !ok {
		return nil, errorf("unknown log level %q: trace, debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l, ReplaceAttr: nameTrace}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, errorf("unknown log format %q: text or json", format)
}

// nameTrace gives the level below debug its name; slog would say DEBUG-4.
func nameTrace(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.LevelKey && a.Value.Any() == ike.LevelTrace {
		a.Value = slog.StringValue("TRACE")
	}
	return a
}
