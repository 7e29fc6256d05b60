# Ruby's Net::HTTP, which is under the SDK of Ruby.
require "json"
require "net/http"

ACCOUNT, PASSWORD, TEXT = ENV.values_at("ACCOUNT", "PASSWORD", "TEXT")

def call(url, form = nil)
  uri = URI(url)
  request = form ? Net::HTTP::Post.new(uri) : Net::HTTP::Get.new(uri)
  request.basic_auth(ACCOUNT, PASSWORD)
  request.set_form_data(form) if form
  answer = Net::HTTP.start(uri.host, uri.port, use_ssl: uri.scheme == "https") { |http| http.request(request) }
  JSON.parse(answer.body)
end

host = ENV.fetch("BASE", "https://api.twilio.com")
path = "/2010-04-01/Accounts/#{ACCOUNT}/Messages.json"
made = call(host + path, "To" => "+15005550009", "From" => "+15005550006", "Body" => TEXT)
texts = []
path += "?PageSize=2"
while path && texts.size < 5
  page = call(host + path)
  texts += page["messages"].map { |each| each["body"] }
  path = page["next_page_uri"]
end
puts JSON.generate(sid: made["sid"][0, 2], listed: texts.size, own: texts.include?(TEXT))
