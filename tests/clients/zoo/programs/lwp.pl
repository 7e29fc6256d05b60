# Perl's LWP. env_proxy reads the proxy variables.
use strict;
use warnings;
use JSON::PP;
use LWP::UserAgent;

my ($account, $password, $text) = @ENV{qw(ACCOUNT PASSWORD TEXT)};
my $agent = LWP::UserAgent->new(env_proxy => 1, ssl_opts => {SSL_ca_file => $ENV{ROOT}});
my $host = $ENV{BASE} // 'https://api.twilio.com';
my $path = "/2010-04-01/Accounts/$account/Messages.json";

sub call {
    my ($request) = @_;
    $request->authorization_basic($account, $password);
    my $answer = $agent->request($request);
    die $answer->status_line, "\n" unless $answer->is_success;
    return decode_json($answer->content);
}

use HTTP::Request::Common;
my $made = call(POST $host . $path, [To => '+15005550009', From => '+15005550006', Body => $text]);
my @texts;
for (my $next = "$path?PageSize=2"; $next && @texts < 5;) {
    my $page = call(GET $host . $next);
    push @texts, map { $_->{body} } @{$page->{messages}};
    $next = $page->{next_page_uri};
}
my $own = grep { $_ eq $text } @texts;
print encode_json({sid => substr($made->{sid}, 0, 2), listed => scalar @texts, own => $own ? JSON::PP::true : JSON::PP::false}), "\n";
