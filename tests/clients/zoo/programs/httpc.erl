%% Erlang's httpc. It reads no environment: proxy and CA are options.
-module(httpc_program).
-export([main/1]).

main(_) ->
    {ok, _} = application:ensure_all_started(ssl),
    {ok, _} = application:ensure_all_started(inets),
    Account = os:getenv("ACCOUNT"), Text = os:getenv("TEXT"),
    ok = proxy(os:getenv("HTTPS_PROXY")),
    Host = os:getenv("BASE", "https://api.twilio.com"),
    Path = "/2010-04-01/Accounts/" ++ Account ++ "/Messages.json",
    Form = uri_string:compose_query([{"To", "+15005550009"}, {"From", "+15005550006"}, {"Body", Text}]),
    Made = call(post, {Host ++ Path, [login()], "application/x-www-form-urlencoded", Form}),
    Page = call(get, {Host ++ Path ++ "?PageSize=5", [login()]}),
    {match, [Sid]} = re:run(Made, "\"sid\": *\"(..)", [{capture, all_but_first, list}]),
    {match, Bodies} = re:run(Page, "\"body\": *\"([^\"]*)\"", [global, {capture, all_but_first, list}]),
    io:format("{\"sid\": \"~s\", \"listed\": ~b, \"own\": ~s}~n",
              [Sid, length(Bodies), lists:member([Text], Bodies)]).

login() ->
    Login = os:getenv("ACCOUNT") ++ ":" ++ os:getenv("PASSWORD"),
    {"Authorization", "Basic " ++ base64:encode_to_string(Login)}.

proxy(false) -> ok;
proxy(Address) ->
    #{host := Host, port := Port, userinfo := Login} = uri_string:parse(Address),
    [User, Key] = string:split(Login, ":"),
    put(options, [{proxy_auth, {User, Key}}]),
    httpc:set_options([{https_proxy, {{Host, Port}, []}}]).

options() ->
    case get(options) of undefined -> []; Options -> Options end.

call(Method, Request) ->
    Tls = [{verify, verify_peer}, {cacertfile, os:getenv("ROOT")}, {depth, 3},
           {customize_hostname_check, [{match_fun, public_key:pkix_verify_hostname_match_fun(https)}]}],
    {ok, {{_, Status, _}, _, Body}} = httpc:request(Method, Request, [{ssl, Tls}, {timeout, 30000} | options()], []),
    true = Status < 300,
    Body.
