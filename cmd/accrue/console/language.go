package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"accrue/rules/explain"
)

const (
	languageCookie = "accrue_lang"
	languageLife   = 365 * 24 * time.Hour
)

// Other is the language that can be changed to.
func (v *visit) Other() explain.Language {
	if v.Language == explain.Chinese {
		return explain.English
	}
	return explain.Chinese
}

// InOther is the present page in the other language.
func (v *visit) InOther() string {
	u, err := url.Parse(v.Path)
	if err != nil {
		return "/?lang=" + string(v.Other())
	}
	query := u.Query()
	query.Set("lang", string(v.Other()))
	u.RawQuery = query.Encode()
	return u.RequestURI()
}

// language is the one that was asked for now (?lang), or before, or that the browser prefers. The first is remembered.
func (c *Console) language(w http.ResponseWriter, r *http.Request) explain.Language {
	known := func(code string) (explain.Language, bool) {
		l := explain.Language(strings.ToLower(code))
		return l, slices.Contains(explain.Languages(), l)
	}
	if l, ok := known(r.URL.Query().Get("lang")); ok {
		c.setCookie(w, r, languageCookie, string(l), languageLife)
		return l
	}
	if cookie, err := r.Cookie(languageCookie); err == nil {
		if l, ok := known(cookie.Value); ok {
			return l
		}
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		code, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		code, _, _ = strings.Cut(code, "-")
		if l, ok := known(code); ok {
			return l
		}
	}
	return explain.Languages()[0]
}
