# A program with Ruby's own HTTP client: it knows neither a proxy nor the gateway.
require "json"
require "net/http"

SID = ENV.fetch("TWILIO_ACCOUNT_SID")
MESSAGES = "/2010-04-01/Accounts/#{SID}/Messages"

def ask(type, url, form = nil)
  uri = URI(url)
  request = type.new(uri)
  request.basic_auth(SID, ENV.fetch("TWILIO_AUTH_TOKEN"))
  request.set_form_data(form) if form
  answer = Net::HTTP.start(uri.host, uri.port, use_ssl: true) { |http| http.request(request) }
  if answer.code.to_i >= 400
    puts JSON.generate(refused: answer.code.to_i, message: JSON.parse(answer.body)["message"])
    exit 3
  end
  answer
end

host = "https://api.twilio.com"
made = (0...5).map do |number|
  form = { "To" => "+15005550006", "From" => "+15005550001", "Body" => "ruby #{number}" }
  JSON.parse(ask(Net::HTTP::Post, "#{host}#{MESSAGES}.json", form).body)["sid"]
end
pages = listed = 0
path = "#{MESSAGES}.json?PageSize=2"
while path
  page = JSON.parse(ask(Net::HTTP::Get, host + path).body)
  pages += 1
  listed += page["messages"].length
  path = page["next_page_uri"]
end
one = "#{host}#{MESSAGES}/#{made[0]}.json"
updated = JSON.parse(ask(Net::HTTP::Post, one, { "Body" => "" }).body)["body"]
deleted = ask(Net::HTTP::Delete, one).code == "204"
other = ask(Net::HTTP::Get, ENV.fetch("OTHER_URL")).body
puts JSON.generate(pages: pages, listed: listed, updated: updated, deleted: deleted, other: other)
