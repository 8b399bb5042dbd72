package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"vpngw/cmd/vpngw/internal/daemon"
	"vpngw/configs"
	"vpngw/crypto/ike"
)

func newRun() *cobra.Command {
	var level, format string
	cmd := &cobra.Command{
		Use:   "run FILE",
		Short: "Run the gateway of a tunnel file",
		Long: `Run makes the TUN device and the routes of the tunnel file, brings its tunnels up and
keeps them up. It stays in the foreground and logs to standard error. SIGTERM or SIGINT
ends it: the peers are told, and what it made is removed; the exit code is then 0. On
SIGHUP it reads the file again and logs whether it has mistakes; it goes on with what it
has, since changes take effect at a restart.

It needs root or CAP_NET_ADMIN, and CAP_NET_BIND_SERVICE for UDP port 500.

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
			go recheck(ctx, args[0], log)
			return daemon.Run(ctx, file, versionName(), log)
		},
	}
	cmd.Flags().StringVar(&level, "log-level", "info", "least important `LEVEL` to log: trace, debug, info, warn, error")
	cmd.Flags().StringVar(&format, "log-format", "text", "`FORMAT` of the log: text, json")
	return cmd
}

// recheck reads the tunnel file again on every SIGHUP, which would else end the
// gateway without a farewell.
func recheck(ctx context.Context, path string, log *slog.Logger) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		}
		var problems configs.Problems
		switch _, err := configs.Load(path); {
		case err == nil:
			log.Info("SIGHUP: the tunnel file has no mistakes; restart the gateway to use it", "file", path)
		case errors.As(err, &problems):
			for _, p := range problems {
				log.Error("SIGHUP: mistake in the tunnel file; the gateway goes on with the one it has", "mistake", p.Error(), "hint", p.Hint)
			}
		}
	}
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
