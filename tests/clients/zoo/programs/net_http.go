// Go's net/http, which is under the SDK of Go.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
)

var account, password, text = os.Getenv("ACCOUNT"), os.Getenv("PASSWORD"), os.Getenv("TEXT")

func call(method, address string, form url.Values, found any) {
	request, _ := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	request.SetBasicAuth(account, password)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := http.DefaultClient.Do(request)
	if err == nil {
		err = json.NewDecoder(answer.Body).Decode(found)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	host := "https://api.twilio.com"
	if base := os.Getenv("BASE"); base != "" {
		host = base
	}
	path := "/2010-04-01/Accounts/" + account + "/Messages.json"
	var made struct{ Sid string }
	call("POST", host+path, url.Values{"To": {"+15005550009"}, "From": {"+15005550006"}, "Body": {text}}, &made)
	listed, own := 0, false
	for next := path + "?PageSize=2"; next != "" && listed < 5; {
		var page struct {
			Messages []struct{ Body string }
			Next     string `json:"next_page_uri"`
		}
		call("GET", host+next, nil, &page)
		for _, each := range page.Messages {
			listed++
			own = own || each.Body == text
		}
		next = page.Next
	}
	out, _ := json.Marshal(map[string]any{"sid": made.Sid[:2], "listed": listed, "own": own})
	fmt.Println(string(out))
}
