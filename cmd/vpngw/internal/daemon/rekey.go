package daemon

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"vpngw/cmd/vpngw/internal/status"
	"vpngw/configs"
	"vpngw/tunnel"
)

// listedTunnels is up to how many tunnels a hint names all.
const listedTunnels = 12

// serveRekey answers POST /rekey?tunnel=NAME&ike=BOOL with 204 once the rekey has begun.
func serveRekey(w http.ResponseWriter, r *http.Request, g *tunnel.Gateway) {
	err := g.Rekey(r.Context(), r.FormValue("tunnel"), r.FormValue("ike") == "true")
	var none *tunnel.NoTunnelError
	var notUp *tunnel.NotUpError
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case errors.As(err, &none):
		w.Header().Set(status.HintHeader, nameHint(none))
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.As(err, &notUp):
		w.Header().Set(status.HintHeader, "a tunnel gets new keys anyway when it comes up; see `vpngw status "+notUp.Name+"`")
		http.Error(w, err.Error(), http.StatusConflict)
	default:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

func nameHint(e *tunnel.NoTunnelError) string {
	if near := configs.Suggest(e.Name, e.Have); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	if len(e.Have) <= listedTunnels {
		return "the tunnels are " + strings.Join(e.Have, ", ")
	}
	return "`vpngw status` lists the tunnels"
}
