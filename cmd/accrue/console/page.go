package console

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// readPages reads each page with the layout around it.
func readPages() (map[string]*template.Template, error) {
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, name := range names {
		page := strings.TrimSuffix(path.Base(name), ".html")
		if page == "layout" {
			continue
		}
		t, err := template.New(page).Funcs(functions()).ParseFS(templateFiles, "templates/layout.html", name)
		if err != nil {
			return nil, fmt.Errorf("read the pages: %w", err)
		}
		pages[page] = t
	}
	return pages, nil
}

func functions() template.FuncMap {
	return template.FuncMap{
		"number": number,
		"signed": signed,
		// An attribute of htmx is no address to html/template.
		"query":   url.QueryEscape,
		"moment":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
		"day":     func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
		"minute":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") },
		"machine": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	}
}

// number writes a whole number with its thousands apart.
func number(n int64) string { return grouped(strconv.FormatInt(n, 10)) }

// signed is a number with its sign, also above 0.
func signed(n int64) string {
	if n > 0 {
		return "+" + number(n)
	}
	return number(n)
}

// grouped writes a decimal with its thousands apart.
func grouped(decimal string) string {
	digits, negative := strings.CutPrefix(decimal, "-")
	digits, fraction, pointed := strings.Cut(digits, ".")
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if pointed {
		digits += "." + fraction
	}
	if negative {
		digits = "−" + digits
	}
	return digits
}

// serveAsset serves one of our files; any other name is none.
func serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	types := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".LICENSE": "text/plain; charset=utf-8"}
	text, err := assetFiles.ReadFile("assets/" + name)
	if kind := types[path.Ext(name)]; err == nil && kind != "" && !strings.Contains(name, "/") {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(text) // the client may be gone; there is nobody to tell
		return
	}
	http.NotFound(w, r)
}

const jsonType = "application/json"

func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client may be gone; there is nobody to tell
}
