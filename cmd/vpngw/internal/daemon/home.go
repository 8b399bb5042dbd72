package daemon

import (
	"errors"
	"net/http"
	"strconv"

	"vpngw/tunnel"
)

// serveHome answers POST /home?tunnel=NAME&lane=NUMBER with 204 once the tunnel moves there;
// -1 lets it go where the load says again. For tests and measurements:
// curl --unix-socket PATH -X POST 'http://gateway/home?tunnel=NAME&lane=1'.
func serveHome(w http.ResponseWriter, r *http.Request, g *tunnel.Gateway) {
	lane, err := strconv.Atoi(r.FormValue("lane"))
	if err != nil {
		http.Error(w, "lane: "+err.Error(), http.StatusBadRequest)
		return
	}
	err = g.Home(r.Context(), r.FormValue("tunnel"), lane)
	var none *tunnel.NoTunnelError
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case errors.As(err, &none):
		http.Error(w, err.Error(), http.StatusNotFound)
	default:
		http.Error(w, err.Error(), http.StatusConflict)
	}
}
