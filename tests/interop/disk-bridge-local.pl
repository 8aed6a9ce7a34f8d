#!/usr/bin/perl
# git-upload-pack and git-receive-pack for local transports, answered by the disk bridge: speaks the stateful protocol on standard input and
# output, and HTTP with the bridge. Installed under both names in a built git's folder, it sends the scripts of git's that don't use HTTP
# through the server, too. Where the bridge listens stands in STEMMA_DISK_BRIDGE, or in the file `disk-bridge.url` beside this program.
# Repositories outside of the bridge's root, and calls that it doesn't know, are left to the programs that it replaced (NAME.real).
use strict;
use warnings;
use Cwd qw(abs_path getcwd);
use HTTP::Tiny;

binmode STDIN;
binmode STDOUT;
$| = 1;
$SIG{PIPE} = sub { exit 128 };

(my $self = $0) =~ s{.*/}{};
(my $folder = $0) =~ s{[^/]*$}{};
my $service = $self;
my @args = @ARGV;
my $directory = pop @args;
my $is_known = defined $directory && !grep { !/^--(strict|no-strict|timeout=\d+)$/ } @args;
leave() if !$is_known;
my $base = address();
my $path = repository($directory) // leave();
my $http = HTTP::Tiny->new(timeout => 600, default_headers => headers());
my $version = ($ENV{GIT_PROTOCOL} // '') =~ /(?:^|:)version=([012])(?::|$)/ ? $1 : 0;

my $advertised = advertisement();
print $advertised;
if ($service eq 'git-receive-pack') { receive() }
elsif ($advertised =~ /^....version 2\n/) { talk_two() }
else { talk_zero() }
exit 0;

sub leave { exec { "$folder$self.real" } $self, @ARGV or die "cannot run $folder$self.real: $!\n" }

sub address {
	return $ENV{STEMMA_DISK_BRIDGE} if defined $ENV{STEMMA_DISK_BRIDGE};
	open(my $file, '<', "${folder}disk-bridge.url") or leave();
	chomp(my $url = <$file>);
	return $url;
}

sub repository {
	my ($name) = @_;
	my $absolute = $name =~ m{^/} ? $name : getcwd() . "/$name";
	for my $end ('/.git', '', '.git/.git', '.git') {
		return abs_path("$absolute$end") if -e "$absolute$end/HEAD" && -d "$absolute$end/objects";
		if (-f "$absolute$end") {
			open(my $file, '<', "$absolute$end") or return undef;
			return <$file> =~ /^gitdir: (.*)/ ? repository($1 =~ m{^/} ? $1 : "$absolute$end/../$1") : undef;
		}
	}
	return undef;
}

sub encoded {
	my ($text) = @_;
	$text =~ s{([^A-Za-z0-9/._~-])}{sprintf('%%%02X', ord $1)}ge;
	return $text;
}

sub headers {
	my %headers = ('x-remote-user' => 'local', 'x-env-git-http-export-all' => '1');
	for my $name (grep { /^(GIT_[A-Z0-9_]+|PATH|HOME|GNUPGHOME|LANG|LC_ALL)$/ } keys %ENV) {
		(my $header = lc "x-env-$name") =~ tr/_/-/;
		$headers{$header} = encoded($ENV{$name}) if $ENV{$name} ne '';
	}
	return \%headers;
}

sub advertisement {
	my $answer = $http->get("$base/?service=$service", { headers => { 'x-repo-path' => encoded("$path/info/refs") } });
	fail($answer) if !$answer->{success};
	my $body = $answer->{content};
	$body =~ s/^....# service=[a-z-]+\n0000//;
	return $body;
}

sub post {
	my ($body, $sink) = @_;
	my $answer = $http->post("$base/", {
		headers => { 'x-repo-path' => encoded("$path/$service"), 'content-type' => "application/x-$service-request" },
		content => $body,
		data_callback => sub { $sink->($_[0]) },
	});
	fail($answer) if !$answer->{success};
}

sub fail {
	my ($answer) = @_;
	my $text = $answer->{content} // '';
	leave() if $answer->{status} == 404;
	print STDERR "fatal: the bridge: $answer->{status} $text\n";
	exit 128;
}

sub bytes {
	my ($size) = @_;
	my $read = '';
	while (length $read < $size) {
		sysread(STDIN, $read, $size - length $read, length $read) or return undef;
	}
	return $read;
}

# A pkt-line with its length; undef at the end of input.
sub pkt {
	my $length = bytes(4);
	return undef if !defined $length;
	my $size = hex $length;
	return $length if $size < 4;
	my $data = bytes($size - 4);
	return defined $data ? $length . $data : undef;
}

# Up to a flush and with it; undef at the end of input.
sub section {
	my $section = '';
	while (defined(my $pkt = pkt())) {
		$section .= $pkt;
		return $section if $pkt eq '0000';
	}
	return $section eq '' ? undef : $section;
}

# A client says once which promisor remotes it accepts, and means it for the whole conversation.
sub talk_two {
	my $accepted = '';
	while (defined(my $request = section())) {
		return if $request eq '0000';
		if ($request =~ /([0-9a-f]{4})promisor-remote=/) { $accepted = substr($request, $-[0], hex $1) }
		elsif ($accepted ne '') { substr($request, hex(substr($request, 0, 4)), 0) = $accepted }
		post($request, sub { print $_[0] });
	}
}

# What was said before is said again, since the bridge remembers nothing; of its answers, only what is new is passed on.
sub talk_zero {
	my $wants = section();
	return if !defined $wants || $wants eq '0000';
	my $shallow = '';
	if ($wants =~ /^....deepen/m || $wants =~ /[0-9a-f]{4}deepen/) {
		post($wants, sub { $shallow .= $_[0] });
		print $shallow;
	}
	my $haves = '';
	my %told;
	while (1) {
		my $batch = '';
		my $end = '';
		while ($end eq '') {
			my $pkt = pkt();
			return if !defined $pkt;
			$end = $pkt eq '0000' ? 'flush' : $pkt =~ /^....done\n?$/ ? 'done' : '';
			$batch .= $pkt if $end ne 'flush';
		}
		$haves .= $batch if $end ne 'done';
		my $request = $wants . $haves . ($end eq 'done' ? "0009done\n" : '0000');
		if ($end eq 'done') {
			my $skip = length $shallow;
			post($request, sub {
				my $part = $_[0];
				my $cut = $skip < length $part ? $skip : length $part;
				$skip -= $cut;
				print substr($part, $cut);
			});
			return;
		}
		my $answer = '';
		post($request, sub { $answer .= $_[0] });
		$answer = substr($answer, length $shallow);
		my $out = '';
		while ($answer =~ s/^([0-9a-f]{4})//) {
			my $data = substr($answer, 0, hex($1) - 4, '');
			next if $data =~ /common|continue/ && $told{$data}++;
			$out .= $1 . $data;
			if ($data =~ /^ACK [0-9a-f]+\n$/) { print $out . $answer; return } # the pack follows
		}
		print $out;
	}
}

sub receive {
	my $commands = section();
	return if !defined $commands || $commands eq '0000';
	my $body = $commands;
	my ($capabilities) = $commands =~ /\0([^\n]*?)(?:\n|[0-9a-f]{4})/;
	$body .= section() // '' if defined $capabilities && $capabilities =~ /push-options/ && $advertised =~ /push-options/;
	my $zero = qr/0{40}(?:0{24})?/;
	my $has_pack = grep { !/^$zero$/ } $commands =~ /[0-9a-f]{40,64} ([0-9a-f]{40,64}) refs/g;
	my $is_first = 1;
	my $feed = sub {
		if ($is_first) { $is_first = 0; return $body }
		return undef if !$has_pack;
		sysread(STDIN, my $part, 65536) or return undef;
		return $part;
	};
	post($feed, sub { print $_[0] });
}
