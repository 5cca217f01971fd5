package main

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browserPatience bounds the whole visit.
const browserPatience = 3 * time.Minute

// openBrowser starts Chromium and signs an operator in. What the browser complains about is an error of the test: what the policy
// forbids, a script that fails.
func openBrowser(t *testing.T, base string) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatal("no Chromium is installed: apt-get install chromium (.ci/test does)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox) //nolint:gocritic // a copy is made
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, browserPatience)
	t.Cleanup(cancel)
	var mu sync.Mutex
	err := chromedp.Listen(ctx, func(ev any) {
		mu.Lock()
		defer mu.Unlock()
		switch ev := ev.(type) {
		case *log.EventEntryAdded:
			if ev.Entry.Level == log.EntryLevelError && !strings.Contains(ev.Entry.Text, "status of 404") { // the member who is nobody
				t.Errorf("the browser says: %s (%s)", ev.Entry.Text, ev.Entry.URL)
			}
		case *runtime.EventExceptionThrown:
			t.Errorf("a script fails: %s", ev.ExceptionDetails.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.Navigate(base+"/held?lang=en"), chromedp.WaitVisible(`input[name=token]`),
		chromedp.SendKeys(`input[name=name]`, "olga"), chromedp.SendKeys(`input[name=token]`, operatorToken), chromedp.Click(`.login button`),
		chromedp.WaitVisible(`.choices`))
	return ctx
}

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) { //nolint:revive // t comes first, as in every test
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func evaluate[T any](t *testing.T, ctx context.Context, script string) T { //nolint:revive // t comes first, as in every test
	t.Helper()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%.100s: %v", script, err)
	}
	return value
}

// waitFor waits until a script says yes.
func waitFor(t *testing.T, ctx context.Context, script string) { //nolint:revive // t comes first, as in every test
	t.Helper()
	for begun := time.Now(); time.Since(begun) < consolePatience; <-time.After(100 * time.Millisecond) {
		if evaluate[bool](t, ctx, script) {
			return
		}
	}
	t.Fatalf("it never comes true: %s\n%s", script, evaluate[string](t, ctx, `document.body.innerText`))
}

// A day of an operator in a real browser: every page on a desk and on a phone, without anything that axe finds serious, without what
// is wider than the screen, and without anything of a member's that runs. Then a grant that is held is released by clicking.
func TestConsoleInABrowser(t *testing.T) {
	axe, err := os.ReadFile("console/testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	s := startConsole(t)
	base := s.server.URL()
	ctx := openBrowser(t, base)
	waitFor(t, ctx, `fetch("/held").then(r => r.text()).then(x => x.includes("a bonus"))`)

	id := url.QueryEscape(evil)
	for _, path := range []string{"/", "/?lang=zh", "/rules?lang=en", "/rules?by=tier&per=day", "/budgets", "/held", "/member", "/member?id=m1", "/member?id=" + id, "/member?id=nobody", "/programme", "/shards", "/dead-letters"} {
		for _, width := range []int64{1280, 375} {
			do(t, ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(base+path))
			if strings.HasPrefix(path, "/member?id=m1") {
				waitFor(t, ctx, `!!document.body?.innerText.includes("taken back")`)
			}
			if wide := evaluate[int64](t, ctx, `document.documentElement.scrollWidth`); wide > width {
				t.Errorf("%s at %d px is %d px wide", path, width, wide)
			}
			evaluate[bool](t, ctx, string(axe)+";true")
			found := evaluate[string](t, ctx, `axe.run().then(r => r.violations.filter(v => ["serious", "critical"].includes(v.impact))
				.map(v => v.id + ": " + v.help + "\n" + v.nodes.map(n => "    " + n.html + " " + (n.any[0] || {}).message).join("\n")).join("\n"))`)
			if found != "" {
				t.Errorf("%s at %d px:\n%s", path, width, found)
			}
			if evaluate[bool](t, ctx, `"taken" in window`) {
				t.Fatalf("%s ran what a member wrote", path)
			}
		}
	}

	// The chart is there, and figures come by themselves.
	do(t, ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(base+"/?lang=en"), chromedp.WaitVisible(`#flow canvas`))
	waitFor(t, ctx, `document.querySelector("[data-fill=lag]")?.textContent === "0" && document.querySelectorAll("#recent tbody a").length >= 4`)
	do(t, ctx, chromedp.Navigate(base+"/rules"), chromedp.WaitVisible(`#issuance canvas`))
	// A page that is still reading fetches itself again, and draws its chart again.
	evaluate[bool](t, ctx, `document.querySelector("#issuance canvas").id = "before"; htmx.ajax("GET", "/rules", "#main").then(() => true)`)
	waitFor(t, ctx, `!!document.querySelector("#issuance canvas") && !document.getElementById("before")`)

	do(t, ctx, chromedp.Navigate(base+"/member?id=m1"), chromedp.WaitVisible(`button[value=RELEASE]`),
		chromedp.SendKeys(`.row input[name=reason]`, "a regular"), chromedp.Click(`button[value=RELEASE]`))
	waitFor(t, ctx, `!!document.body?.innerText.includes("The engine has decided")`)
	do(t, ctx, chromedp.Navigate(base+"/member?id=m1"))
	waitFor(t, ctx, `document.querySelector(".tiles dd")?.textContent === "170" && !document.querySelector("button[value=RELEASE]")`)
}
