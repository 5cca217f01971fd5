package console

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"accrue/rules/explain"
)

//go:embed text/*.json
var textFiles embed.FS

const (
	languageCookie = "accrue_lang"
	languageLife   = 365 * 24 * time.Hour
)

// catalogue has all that pages say, by key. {0}, {1} stand for what is filled in.
type catalogue map[string]string

func readCatalogues() (map[explain.Language]catalogue, error) {
	all := map[explain.Language]catalogue{}
	for _, language := range explain.Languages() {
		text, err := textFiles.ReadFile("text/" + string(language) + ".json")
		if err != nil {
			return nil, fmt.Errorf("read the words of pages: %w", err)
		}
		words := catalogue{}
		if err := json.Unmarshal(text, &words); err != nil {
			return nil, fmt.Errorf("read the words of pages: %s: %w", language, err)
		}
		all[language] = words
	}
	return all, nil
}

// T says a text in the visitor's language.
func (v *visit) T(key string, with ...any) string {
	text, ok := v.words[key]
	if !ok {
		return key
	}
	for i, value := range with {
		text = strings.ReplaceAll(text, fmt.Sprintf("{%d}", i), fmt.Sprint(value))
	}
	return text
}

// Word says a word of the engine (an outcome, a state); one that a later version brings is shown as it is.
func (v *visit) Word(group string, word any) string {
	key := group + "." + fmt.Sprint(word)
	if text, ok := v.words[key]; ok {
		return text
	}
	return fmt.Sprint(word)
}

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

// Kind says in words what an event of a member is; the engine's own words are those of rules.FactDescription.
func (v *visit) Kind(kind string) string {
	if what, which, ok := strings.Cut(kind, " "); ok {
		if _, known := v.words["kind."+what]; known {
			return v.T("kind."+what) + " " + v.Word("kind."+what, which)
		}
	}
	return v.Word("kind", kind)
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
