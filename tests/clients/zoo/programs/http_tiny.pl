# Perl's HTTP::Tiny, which comes with Perl. SSL_CERT_FILE names the CA.
use strict;
use warnings;
use HTTP::Tiny;
use JSON::PP;
use MIME::Base64;

my ($account, $password, $text) = @ENV{qw(ACCOUNT PASSWORD TEXT)};
my $login = {Authorization => 'Basic ' . encode_base64("$account:$password", '')};
my $agent = HTTP::Tiny->new(verify_SSL => 1, default_headers => $login);
my $host = $ENV{BASE} // 'https://api.twilio.com';
my $path = "/2010-04-01/Accounts/$account/Messages.json";

sub read_answer {
    my ($answer) = @_;
    die "$answer->{status} $answer->{content}\n" unless $answer->{success};
    return decode_json($answer->{content});
}

my $made = read_answer($agent->post_form($host . $path, {To => '+15005550009', From => '+15005550006', Body => $text}));
my @texts;
for (my $next = "$path?PageSize=2"; $next && @texts < 5;) {
    my $page = read_answer($agent->get($host . $next));
    push @texts, map { $_->{body} } @{$page->{messages}};
    $next = $page->{next_page_uri};
}
my $own = grep { $_ eq $text } @texts;
print encode_json({sid => substr($made->{sid}, 0, 2), listed => scalar @texts, own => $own ? JSON::PP::true : JSON::PP::false}), "\n";
