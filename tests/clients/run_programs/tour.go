// A program with Go's own HTTP client: it knows neither a proxy nor the gateway.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

const host = "https://api.twilio.com"

var sid, token = os.Getenv("TWILIO_ACCOUNT_SID"), os.Getenv("TWILIO_AUTH_TOKEN")

func ask(method, target string, form url.Values, answer any) int {
	request, err := http.NewRequest(method, target, strings.NewReader(form.Encode()))
	if err != nil {
		panic(err)
	}
	request.SetBasicAuth(sid, token)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		panic(err)
	}
	if response.StatusCode >= 400 {
		var problem struct{ Message string }
		json.Unmarshal(body, &problem)
		print_(map[string]any{"refused": response.StatusCode, "message": problem.Message})
		os.Exit(3)
	}
	if answer != nil {
		if err := json.Unmarshal(body, answer); err != nil {
			panic(err)
		}
	}
	return response.StatusCode
}

func print_(value any) {
	text, _ := json.Marshal(value)
	fmt.Println(string(text))
}

func main() {
	messages := host + "/2010-04-01/Accounts/" + sid + "/Messages"
	var first, made struct{ Sid, Body string }
	for number := 0; number < 5; number++ {
		form := url.Values{"To": {"+15005550006"}, "From": {"+15005550001"}, "Body": {fmt.Sprint("go ", number)}}
		ask("POST", messages+".json", form, &made)
		if number == 0 {
			first = made
		}
	}
	pages, listed := 0, 0
	for next := "/2010-04-01/Accounts/" + sid + "/Messages.json?PageSize=2"; next != ""; pages++ {
		var page struct {
			Messages    []any
			NextPageUri string `json:"next_page_uri"`
		}
		ask("GET", host+next, nil, &page)
		listed += len(page.Messages)
		next = page.NextPageUri
	}
	one := messages + "/" + first.Sid + ".json"
	ask("POST", one, url.Values{"Body": {""}}, &made)
	deleted := ask("DELETE", one, nil, nil) == 204
	response, err := http.Get(os.Getenv("OTHER_URL"))
	if err != nil {
		panic(err)
	}
	other, _ := io.ReadAll(response.Body)
	print_(map[string]any{"pages": pages, "listed": listed, "updated": made.Body, "deleted": deleted, "other": string(other)})
}
