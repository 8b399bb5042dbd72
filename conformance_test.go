package vpngw_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// requirement is one row of docs/conformance.md.
type requirement struct {
	rfc     string // from the heading above it
	section string
	text    string
	tests   []string // package.TestName or package.TestName/subtest
	reason  string   // why there is no test, or why what is asked for is not done
}

var (
	rfcHeading  = regexp.MustCompile(`^## (RFC \d{4,5})\b`)
	sectionForm = regexp.MustCompile(`^§([A-Z]|\d{1,2})(\.\d{1,2}){0,3}$`)
	testForm    = regexp.MustCompile("^`([a-z]+)\\.((?:Test|Fuzz)[A-Z]\\w*)(?:/([^`]+))?`$")
	reasonForm  = regexp.MustCompile(`^(does not apply|deviates): (\S.{9,}?)( \(([^()]*)\))?$`)
)

// parseConformance reads the rows, and gives what is wrong with those that cannot be read.
func parseConformance(text string) (rows []requirement, problems []string) {
	rfc := ""
	for i, line := range strings.Split(text, "\n") {
		if m := rfcHeading.FindStringSubmatch(line); m != nil {
			rfc = m[1]
		} else if strings.HasPrefix(line, "## ") {
			rfc = ""
		}
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| section ") || strings.HasPrefix(line, "|---") {
			continue
		}
		row, err := parseRequirement(rfc, line)
		if err != nil {
			problems = append(problems, fmt.Sprintf("line %d: %v", i+1, err))
			continue
		}
		rows = append(rows, row)
	}
	return rows, problems
}

func parseRequirement(rfc, line string) (requirement, error) {
	cells := strings.Split(strings.Trim(line, "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	if len(cells) != 3 {
		return requirement{}, fmt.Errorf("%d cells, not section, requirement and tests", len(cells))
	}
	r := requirement{rfc: rfc, section: cells[0], text: cells[1]}
	if rfc == "" {
		return r, fmt.Errorf("a row under no heading of an RFC: %s", line)
	}
	if !sectionForm.MatchString(r.section) {
		return r, fmt.Errorf("%q is no section such as §2.21.3", r.section)
	}
	if len(r.text) < 15 {
		return r, fmt.Errorf("%s says nothing: %q", r.section, r.text)
	}
	list := cells[2]
	if m := reasonForm.FindStringSubmatch(list); m != nil {
		r.reason, list = m[2], m[4]
		if list == "" {
			return r, nil
		}
	}
	for _, t := range strings.Split(strings.ReplaceAll(list, "`, `", "`\n`"), "\n") {
		if !testForm.MatchString(t) {
			return r, fmt.Errorf("%s: %q is neither a test such as `ike.TestX/sub` nor “does not apply: why” nor “deviates: why”", r.section, t)
		}
		r.tests = append(r.tests, strings.Trim(t, "`"))
	}
	return r, nil
}

// testNames are the test functions of a package, and the string constants in its test
// files, among which the names of subtests are.
type testNames struct {
	functions map[string]bool
	constants map[string]bool
}

// allTests reads every *_test.go of the module, by the name of its package.
func allTests(t *testing.T) map[string]testNames {
	t.Helper()
	all := map[string]testNames{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "testdata" {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(file.Name.Name, "_test")
		if all[name].functions == nil {
			all[name] = testNames{map[string]bool{}, map[string]bool{}}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil {
					all[name].functions[n.Name.Name] = true
				}
			case *ast.BasicLit:
				if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					all[name].constants[s] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// missing tells what of a test named in the table is not in the code.
func missing(all map[string]testNames, test string) string {
	m := testForm.FindStringSubmatch("`" + test + "`")
	names, ok := all[m[1]]
	switch {
	case !ok:
		return "no package " + m[1] + " has tests"
	case !names.functions[m[2]]:
		return "package " + m[1] + " has no " + m[2]
	case m[3] != "" && !names.constants[m[3]]:
		return "the tests of package " + m[1] + " name no case " + strconv.Quote(m[3])
	}
	return ""
}

// TestConformanceTable holds docs/conformance.md to the code: every row has tests that
// exist or a reason, and every test written for the table is in it.
func TestConformanceTable(t *testing.T) {
	text, err := os.ReadFile("docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	rows, problems := parseConformance(string(text))
	for _, p := range problems {
		t.Error(p)
	}
	all := allTests(t)
	perRFC, named := map[string]int{}, map[string]bool{}
	for _, r := range rows {
		perRFC[r.rfc]++
		for _, test := range r.tests {
			function, _, _ := strings.Cut(test, "/")
			named[function] = true
			if what := missing(all, test); what != "" {
				t.Errorf("%s %s, %q: %s", r.rfc, r.section, r.text, what)
			}
		}
	}
	for name, names := range all {
		for f := range names.functions {
			if strings.HasPrefix(f, "TestConformance") && name != "vpngw" && !named[name+"."+f] {
				t.Errorf("%s.%s is in no row", name, f)
			}
		}
	}
	// So that a table that is no longer read as one does not pass.
	for _, rfc := range []string{"RFC 7296", "RFC 4303", "RFC 3948", "RFC 4106", "RFC 4301"} {
		if perRFC[rfc] < 5 {
			t.Errorf("%d rows of %s", perRFC[rfc], rfc)
		}
	}
	if len(rows) < 150 {
		t.Errorf("%d rows in all", len(rows))
	}
}

// TestConformanceTableFindsFaults gives the reader rows that are wrong.
func TestConformanceTableFindsFaults(t *testing.T) {
	const head = "## RFC 7296: IKEv2\n"
	all := allTests(t)
	for _, tt := range []struct{ row, problem string }{
		{head + "| §2.1 | a requirement in words | `vpngw.TestConformanceTable` |", ""},
		{head + "| §2.1 | a requirement in words | `vpngw.TestConformanceTable`, `vpngw.TestImportsRunDownwards` |", ""},
		{head + "| §2.1 | a requirement in words | `vpngw.TestConformanceTable/a requirement` |", "name no case"},
		{head + "| §A.2 | a requirement in words | does not apply: there is no such thing here |", ""},
		{head + "| §2.1 | a requirement in words | deviates: for a good reason (`vpngw.TestConformanceTable`) |", ""},
		{head + "| §2.1 | a requirement in words | deviates: for a good reason (`vpngw.TestNowhere`) |", "has no TestNowhere"},
		{head + "| §2.1 | a requirement in words | does not apply: |", "neither"},
		{head + "| §2.1 | a requirement in words |  |", "neither"},
		{head + "| §2.1 | a requirement in words | pending |", "neither"},
		{head + "| §2.1 | a requirement in words | `ike.TestNowhere` |", "has no TestNowhere"},
		{head + "| §2.1 | a requirement in words | `nowhere.TestConformanceTable` |", "no package nowhere"},
		{head + "| 2.1 | a requirement in words | `vpngw.TestConformanceTable` |", "no section"},
		{head + "| §2.1.x | a requirement in words | `vpngw.TestConformanceTable` |", "no section"},
		{head + "| §2.1 | short | `vpngw.TestConformanceTable` |", "says nothing"},
		{head + "| §2.1 | a requirement in words |", "2 cells"},
		{"## Reading\n| §2.1 | a requirement in words | `vpngw.TestConformanceTable` |", "under no heading"},
	} {
		rows, problems := parseConformance(tt.row)
		for _, r := range rows {
			for _, test := range r.tests {
				if what := missing(all, test); what != "" {
					problems = append(problems, what)
				}
			}
		}
		got := strings.Join(problems, "; ")
		if (got == "") != (tt.problem == "") || !strings.Contains(got, tt.problem) {
			t.Errorf("%s\n gives %q, want %q", tt.row, got, tt.problem)
		}
	}
}
