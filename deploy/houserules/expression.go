package houserules

import (
	"fmt"
	"regexp"
	"strings"
)

// Expression is what a PromQL expression builds on. It is not parsed whole: that is Prometheus' own business (promtool). It is
// read as far as names go.
type Expression struct {
	Metrics []MetricUse // of ours
	Groups  []string    // labels in by, without, on, ignoring, group_left and group_right
}

// MetricUse is a metric of ours in an expression.
type MetricUse struct {
	Name   string
	Labels map[string][]string // the values that a label is compared with; those of a regular expression without blanks in it are its alternatives
}

// promqlToken is a word, a text in quotes, or a sign of an expression.
var promqlToken = regexp.MustCompile("[A-Za-z_:][A-Za-z0-9_:]*|\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^'\\\\]|\\\\.)*'|`[^`]*`|=~|!~|!=|[0-9.]+[a-z]*|#[^\n]*|\\S")

// ReadExpression reads an expression. It is an error where its brackets do not match.
func ReadExpression(text string) (Expression, error) {
	var e Expression
	var open []string
	closes := map[string]string{")": "(", "}": "{", "]": "["}
	tokens := promqlToken.FindAllString(text, -1)
	for i := 0; i < len(tokens); i++ {
		switch t := tokens[i]; {
		case strings.HasPrefix(t, "#"):
		case t == "(" || t == "[" || t == "{":
			open = append(open, t)
		case closes[t] != "":
			if len(open) == 0 || open[len(open)-1] != closes[t] {
				return e, fmt.Errorf("%q closes nothing in %s", t, text)
			}
			open = open[:len(open)-1]
		case isGrouping(t) && i+1 < len(tokens) && tokens[i+1] == "(":
			for i += 2; i < len(tokens) && tokens[i] != ")"; i++ {
				if tokens[i] != "," {
					e.Groups = append(e.Groups, tokens[i])
				}
			}
		case strings.HasPrefix(t, "accrue_"):
			use := MetricUse{Name: t, Labels: map[string][]string{}}
			if i+1 < len(tokens) && tokens[i+1] == "{" {
				for i += 2; i < len(tokens) && tokens[i] != "}"; i++ {
					if i+2 < len(tokens) && strings.Contains("=~!=", tokens[i+1]) {
						use.Labels[tokens[i]] = append(use.Labels[tokens[i]], alternatives(tokens[i+2])...)
						i += 2
					}
				}
			}
			e.Metrics = append(e.Metrics, use)
		}
	}
	if len(open) > 0 {
		return e, fmt.Errorf("%q is never closed in %s", open[len(open)-1], text)
	}
	return e, nil
}

func isGrouping(word string) bool {
	switch word {
	case "by", "without", "on", "ignoring", "group_left", "group_right":
		return true
	}
	return false
}

// alternatives returns the values that a quoted text stands for. A dashboard's variable stands for any: none.
func alternatives(quoted string) []string {
	inner := quoted[1 : len(quoted)-1]
	if strings.Contains(inner, "$") {
		return nil
	}
	return strings.Split(inner, "|")
}
